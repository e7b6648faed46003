/* SPDX-License-Identifier: PostgreSQL
 * client_moves - how a session that moves between two processes begins and ends. */
#pragma once

struct address;
struct client;
struct generation;
struct listener_options;
struct worker;

/* A session without a socket or a state yet, counted and in worker->clients; NULL: out of memory. */
struct client *client_new(struct worker *worker, const struct address *peer, struct generation *generation,
                          const struct listener_options *listener);

/* Ends the session here without a word or a byte: another process has its connection. */
void client_depart(struct client *client);
