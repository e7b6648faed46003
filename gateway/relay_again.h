/* SPDX-License-Identifier: PostgreSQL
 * relay_again - a server that ended before it read anything of a transaction is replaced without a word.
 * That is so when nothing could be written to it; or when PostgreSQL said 57P01, 57P02 or 57P05 before
 * anything else and its side then reset the connection, which a kernel does when bytes were left unread: all
 * of the transaction so far, because it left in one write that fits one segment. What PostgreSQL has read it
 * may have done, and is never sent again. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct client;
struct server;

/* A server was linked: what the client says from now on is kept, up to AGAIN_BYTES of one loop turn. */
void again_begin(struct client *client);
/* One whole message of the client was taken; or one of which not everything is here (bytes NULL). */
void again_note(struct client *client, const unsigned char *bytes, size_t length);

/* Whether this message of PostgreSQL is held back until it is known how the connection ends. */
bool again_holds(struct server *server, char type, const unsigned char *body, size_t size);

/* The connection ended with this errno (0: closed by PostgreSQL): true when the client's messages went back
 * in front of what it says next, for another server. Else what was held back is told. */
bool relay_again(struct server *server, int error);
