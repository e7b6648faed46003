/* SPDX-License-Identifier: PostgreSQL
 * relay_error - errors that PostgreSQL words differently than on a connection of the client's own:
 * because they name a shared statement, or because one was parsed again on this server. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct server;

/* The Parse of ours failed that a simple query needs: kept for the query that fails for want of it.
 * False: out of memory. */
bool relay_error_keep(struct server *server, const unsigned char *body, size_t size);

/* The client's next request will be refused for a name that is not there; the client is to read that its
 * cached plan must not change result type. */
bool relay_error_stale(struct server *server);

/* Whether the client is to read another error than this one; then relay_error_send sends it. */
bool relay_error_differs(struct server *server, const unsigned char *body, size_t size);
void relay_error_send(struct server *server);
/* The query is over: what was kept for it has no use any more. */
void relay_error_forget(struct server *server);
