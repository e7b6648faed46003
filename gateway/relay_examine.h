/* SPDX-License-Identifier: PostgreSQL
 * relay_examine - what is decided by a statement's text before it is sent: whether the session is a tool's
 * and gets a server of its own, and what a route does not allow. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "gateway/session/statement.h"

struct client;
struct message;

/* Fills in facts. False: an answer was given already, and the message is used up. */
bool relay_examine(struct client *client, const struct message *message, const char *text, size_t length,
                   struct statement_facts *facts);
