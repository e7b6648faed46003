/* SPDX-License-Identifier: PostgreSQL
 * relay_names - one namespace for prepared statements of SQL and of the protocol. Servers hold the
 * protocol's under names of ours; before a text that may name the client's own (EXECUTE, PREPARE,
 * DEALLOCATE) or look at them (pg_prepared_statements) they are put on the server under the client's
 * names, and they are taken back before the server is given to anybody else. PostgreSQL then answers,
 * and refuses, in its own words. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "gateway/relay.h"

struct client;
struct server;
struct statement_facts;

/* What the text is about to do: run as a simple query, be parsed, or run by a portal that is bound to it. */
enum names_when { NAMES_QUERY, NAMES_PARSE, NAMES_BIND };

/* Must be called, with a server linked, before such a text is sent. STEP_WAIT: answers have to come first. */
enum step relay_names_before(struct client *client, const struct statement_facts *facts, const char *text,
                             size_t length, enum names_when when);

/* The portal that the last Bind made runs a DEALLOCATE or DISCARD; "" is a portal's name, too. */
void relay_names_bound(struct client *client, const char *portal, const struct statement_facts *facts);
/* Whether this portal does: what follows has to wait for its answer. */
bool relay_names_leave(const struct client *client, const char *portal);

/* PostgreSQL executed what this tag says, which begins with 'D'. */
void relay_names_done(struct server *server, const unsigned char *tag, size_t size);

/* PostgreSQL said what is prepared on the linked server, which owes nothing: what a function or DO removed is
 * forgotten. */
struct probe;
void relay_names_found(struct client *client, const struct probe *probe);

/* Nothing but the client's own statements keeps the server: they are taken back. True when nothing had to be
 * sent, so that the server can go. */
bool relay_names_back(struct client *client);
