/* SPDX-License-Identifier: PostgreSQL
 * relay_place - puts statements on the server of a client that shares servers, and takes them off:
 * requests of our own whose answers are swallowed. Every function that says bool returns false when
 * memory ran out and the session was ended. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "gateway/session/prepared.h"

struct client;
struct owed;
struct server;

/* Stands for the settings of the client that decide what the text of a statement means; NULL: those of its
 * login. */
const struct settings *place_meaning(const struct client *client);

/* The head of a message whose body has this many bytes. */
void place_header(struct server *server, char type, size_t body);
/* Our Sync; its ReadyForQuery is swallowed. */
bool place_sync(struct client *client);

/* Runs a command of ours on the server that is linked and owes nothing, in the client's transaction and,
 * where one was begun, in the middle of its pipeline. */
bool place_aside(struct client *client, const char *sql);

/* Parses a shared statement under our name for it; name != NULL: as the answer to that client's own Parse. */
bool place_shared(struct client *client, struct statement *statement, struct prepared_name *name);
/* The same when the server does not surely have it, or an older one than the client's. */
bool place_needed(struct client *client, struct prepared_name *name);
/* Asks for the shape of a shared statement's rows; name: whose shape it is, or NULL (the client is asked by
 * it, where the server has the statement under that). ours: the client is not told. */
bool place_describe(struct client *client, struct statement *statement, struct prepared_name *name,
                    bool ours);
/* The answer to a Describe of a statement: RowDescription, or NoData (body == NULL). */
void place_described(struct server *server, const struct owed *owed, const void *body, size_t size);
/* The client's unnamed statement becomes what the server has under the empty name, or nothing does. */
bool place_unnamed(struct client *client);

/* The server has this under the client's own name: `wanted` of it, at least. Nothing else may be owed. */
bool place_material(struct client *client, struct prepared_name *name, enum material wanted);
/* The client's own Parse was sent as it was: the server will have it under that name. */
bool place_own(struct client *client, struct prepared_name *name);
/* All names that place_material and place_own put there go again. */
bool place_take_back(struct client *client);
/* All shared statements go, until they are needed again. */
bool place_close_shared(struct client *client);

/* Takes back the bookkeeping of one request that PostgreSQL did not execute. */
void place_undo(struct server *server, struct owed *owed);
