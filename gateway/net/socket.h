/* SPDX-License-Identifier: PostgreSQL
 * socket - non-blocking, close-on-exec sockets with the options that a gateway wants. */
#pragma once

#include <stdbool.h>

#include "gateway/net/address.h"

struct fault;

/* A listening socket, or -1 with a fault. A stale Unix socket file is removed first. */
int socket_listen(const struct address *address, int backlog, struct fault *fault);

/* Accepts one connection and fills its address; -1 with errno when there is none. */
int socket_accept(int listener, struct address *peer);

/* Starts connecting; -1 with a fault when it failed at once. Writable means finished: ask socket_error. */
int socket_connect(const struct address *address, struct fault *fault);

/* The pending error of a socket as errno, 0 when there is none. */
int socket_error(int fd);
