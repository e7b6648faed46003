/* SPDX-License-Identifier: PostgreSQL
 * serve - the command `pgsluice serve`: start, signals, reload, shutdown. */
#pragma once

#include <stdbool.h>

struct fault;
struct gateway;
struct generation;
struct snapshot;

int serve_main(int argc, char **argv);

/* What SIGHUP and SIGTERM do, for the console. Main thread. */
bool serve_reload(struct gateway *gateway, struct fault *fault);
void serve_shutdown(struct gateway *gateway, bool now);
/* Takes no new connections any more, and ends when those that there are have left. */
void serve_shutdown_after_clients(struct gateway *gateway);

/* Loads what a snapshot needs (users, upstreams). On success the snapshot belongs to the generation. */
struct generation *gateway_generation(struct gateway *gateway, struct snapshot *snapshot,
                                      struct fault *fault);

/* Opens everything but the listening sockets and threads. */
bool gateway_open(struct gateway *gateway, struct snapshot *snapshot, struct fault *fault);
void gateway_close(struct gateway *gateway); /* after the workers were joined */
