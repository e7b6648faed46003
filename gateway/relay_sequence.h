/* SPDX-License-Identifier: PostgreSQL
 * relay_sequence - currval and lastval on shared servers: they tell what this session drew, or nothing. A
 * server remembers who drew there last; it is cleaned, or the question refused, before anybody else's value
 * is told. */
#pragma once

#include <stdbool.h>

#include "gateway/relay.h"

struct statement_facts;

/* The linked server drew from a sequence for this client, or may have. surely: it is known to. */
void sequence_drew(struct client *client, bool surely);

/* DISCARD SEQUENCES or DISCARD ALL was executed. */
void sequence_discarded(struct client *client);

/* A statement that asks for currval or lastval has no server yet: chooses the one that knows, if it can be
 * had. */
void sequence_choose(struct client *client, const struct statement_facts *facts);

/* A statement is about to run on the linked server. *refused: it asks for what is not known any more, and
 * that was answered; the message is used up. What it asks of its own transaction is no suspicion any more. */
enum step sequence_before(struct client *client, const struct message *message,
                          struct statement_facts *facts, const char *text, size_t length,
                          bool *refused);
