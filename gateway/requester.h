/* SPDX-License-Identifier: PostgreSQL
 * requester - who asked for a cancel and hears of its end by the end of its connection. */
#pragma once

#include <stddef.h>

struct requester;
struct stream;

/* Keeps the connection of a stream that is closed next; over TLS that ends without a goodbye, which is said
 * later. NULL when out of memory or descriptors: it hears of the end too early then. */
struct requester *requester_keep(struct stream *stream);

/* The same, for a request that another process passed on: takes over the descriptor. */
struct requester *requester_adopt(int fd, const void *goodbye, size_t bytes);

/* For passing it on: the connection, and what is said at its end. */
int requester_fd(const struct requester *requester);
size_t requester_goodbye(const struct requester *requester, const void **bytes);
/* It was passed on: forgets it without a word. */
void requester_forget(struct requester *requester);

/* PostgreSQL has the request, or never will: ends the connection. NULL is nothing to do. Any thread; it is
 * the owner of a delivery. */
void requester_done(void *requester);
