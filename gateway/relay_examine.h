/* SPDX-License-Identifier: PostgreSQL
 * relay_examine - what is decided by a statement's text before it is sent: whether the session is a tool's
 * and gets a server of its own, and what a route does not allow. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "gateway/relay.h"
#include "gateway/session/statement.h"

struct bind_fields;
struct client;
struct fault;

/* Answers with an error in place of a statement, where no server is linked; uses the message up. Always
 * false. */
bool relay_refuse(struct client *client, const struct message *message, const struct fault *fault);

/* Fills in facts. False: an answer was given already, and the message is used up. */
bool relay_examine(struct client *client, const struct message *message, const char *text, size_t length,
                   struct statement_facts *facts);

/* A statement that matters is about to run: what it names is put in its place, what it may do is remembered.
 * *refused: it must not run, and that was answered. */
enum step relay_examine_bound(struct client *client, const struct message *message,
                              const struct bind_fields *bind, const struct statement_facts *kept,
                              const char *text, bool *refused);
