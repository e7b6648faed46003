/* SPDX-License-Identifier: PostgreSQL
 * policy - what a route does about session state: which statements it refuses, how many sessions may be
 * pinned to a server at once; and the sight of them: counters of the pool, the log's line, SHOW PINS. On the
 * client's worker. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/pins.h"

struct client;
struct message;
struct statement_facts;

/* Applies session_state, max_pinned and isolation to one statement before it is sent; may be called again
 * for the same one. message: a Query or Parse, or a Bind or Execute with what its statement's text told.
 * Changes facts->suspects: kinds that are allowed go, strict isolation adds PIN_ANYTHING. False: the
 * statement is refused; the client is answered, now or in its turn, and the message is used up. */
bool policy_admits(struct client *client, const struct message *message, struct statement_facts *facts);

/* PostgreSQL refused what stood in for a refused statement: the client reads why, in our words. refused: as
 * in struct owed. */
void policy_tell(struct client *client, uint32_t refused);

/* Refuses a question for sequence state that is on no server any more, as policy_admits refuses. A server is
 * linked. */
void policy_refuse_lost(struct client *client, const struct message *message);

/* client->pins gained these PIN_BITs. */
void policy_pinned(struct client *client, uint32_t fresh_pins);

/* client->pins became 0, or the client holds no server any more; often neither has changed. */
void policy_unpinned(struct client *client);

/* The statement that the session is pinned for, fit to be shown; "" when it is not known. */
void policy_statement(const struct client *client, char *text, size_t room);
