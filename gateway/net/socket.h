/* SPDX-License-Identifier: PostgreSQL
 * socket - non-blocking, close-on-exec sockets with the options that a gateway wants. */
#pragma once

#include <stdbool.h>

#include "gateway/net/address.h"

struct fault;

/* How the kernel treats TCP connections; 0 = as it is set. Source: tcp(7). */
struct socket_options {
    bool keepalive;
    int keepidle_s, keepintvl_s, keepcnt, user_timeout_ms, defer_accept_s;
};

/* For all sockets from now on. Any thread. Before the first call: keepalive after 60 s, 10 s, 3 times. */
void socket_configure(const struct socket_options *options);

/* The same for a listening socket that is there already, and so for what it accepts. */
void socket_retune(int listener, const struct address *address);

/* A listening socket, or -1 with a fault. A stale Unix socket file is removed first. */
int socket_listen(const struct address *address, int backlog, struct fault *fault);

/* Accepts one connection and fills its address; -1 with errno when there is none. */
int socket_accept(int listener, struct address *peer);

/* Starts connecting; -1 with a fault when it failed at once. Writable means finished: ask socket_error. */
int socket_connect(const struct address *address, struct fault *fault);

/* The pending error of a socket as errno, 0 when there is none. */
int socket_error(int fd);
