/* SPDX-License-Identifier: PostgreSQL
 * requester - who asked for a cancel and hears of its end by the end of its connection. */
#pragma once

struct requester;
struct stream;

/* Keeps the connection of a stream that is closed next; over TLS that ends without a goodbye, which is said
 * later. NULL when out of memory or descriptors: it hears of the end too early then. */
struct requester *requester_keep(struct stream *stream);

/* PostgreSQL has the request, or never will: ends the connection. NULL is nothing to do. Any thread; it is
 * the owner of a delivery. */
void requester_done(void *requester);
