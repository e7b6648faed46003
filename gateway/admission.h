/* SPDX-License-Identifier: PostgreSQL
 * admission - who is let in while there is room: the limits of connections, logins and memory. A client is
 * told when it sent its startup packet, since before that its TLS and libpq would not understand; cancel
 * requests pass all limits. */
#pragma once

#include <stdbool.h>

struct client;

/* A connection was accepted. False: there are so many of those to be refused that this one was closed at
 * once. */
bool admission_arrives(struct client *client);

/* Its startup packet is here and it was classified. False: it was refused. */
bool admission_begins(struct client *client);

/* It proved who it is, or PostgreSQL is about to ask: from here on it counts for its user, database and
 * route. False: it was refused. */
bool admission_enters(struct client *client);

/* It comes from a process that let it in: it counts, and no limit holds for it. */
void admission_moves(struct client *client);

/* It is gone. */
void admission_leaves(struct client *client);
