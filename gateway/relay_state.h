/* SPDX-License-Identifier: PostgreSQL
 * relay_state - session state on shared servers: what a session's statements may have left behind is asked of
 * PostgreSQL at the end of their transaction; settings travel with the session, everything else keeps it on
 * its server while it exists. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "gateway/session/owed.h"
#include "gateway/session/statement.h"

struct client;
struct error_fields;
struct server;

/* A statement is about to run that may leave something: remembered until the transaction's end. False: out of
 * memory, the session was ended. */
bool state_suspect(struct client *client, const struct statement_facts *facts, const char *text,
                   size_t length);

/* A lasting copy of the name of a setting that the statement at hand sets; NULL when out of memory. */
const char *state_about_to_set(struct client *client, const char *name);

/* Whether the session may have what this PIN_BIT stands for: it has, or nobody asked yet. */
bool state_may_have(const struct client *client, uint32_t pin);

/* Sees to it that client->suspicion is there. False: out of memory, the session was ended. */
bool state_make_suspicion(struct client *client);

/* Something is not answered yet, or not asked: the server may hold what nobody knows of. */
bool state_is_open(const struct client *client);

/* The server is clean by the protocol. True when nothing of the session is left in it; otherwise a question
 * is on its way, or the session stays pinned. */
bool state_is_settled(struct client *client);

/* What the examination of texts depends on, as PostgreSQL reports it. */
struct relay;
void state_note_reading(struct relay *relay, const char *name, const char *value);

/* PostgreSQL reports a setting's value to this client: what becomes of the message. In place of one that is
 * replaced state_send_name is called. */
enum state_report { REPORT_FORWARDED, REPORT_SWALLOWED, REPORT_REPLACED };
enum state_report state_reported(struct client *client, const char *name, const char *value);
void state_send_name(struct client *client);

/* A command was executed; `tag` is not terminated. */
void state_executed(struct client *client, const char *tag, size_t length);
/* The transaction is over, and its client is about to hear that. */
void state_transaction_ended(struct client *client);
/* Something was closed by message: perhaps what PREPARE made. */
void state_closed(struct server *server);
/* Something failed: what was meant to be set may not be. */
void state_failed(struct client *client);

/* One row of the answer to our question, and its end. */
void state_answer_row(struct server *server, const unsigned char *body, size_t size);
void state_answer_end(struct server *server, bool failed);

/* The client ends. */
void state_free(struct client *client);

/* relay_replay.c: the server was just linked, its settings become those of the client. False: out of memory.
 * Where that may fail nothing else is sent before it is answered (client->relay.reserved and .barrier). */
bool replay_settings(struct client *client);
/* What could reset application_name was answered: the server gets the client's own. False: out of memory, the
 * session was ended. */
bool replay_reset_name(struct client *client);
/* Whether a server with the session's own name is needed, and this one will be given back as soon as
 * PostgreSQL said what the session left in it. */
bool replay_awaits_name(const struct client *client);
/* The server did not take them: another one is tried, or the client is told. The server is closed. */
void replay_failed(struct server *server, const struct error_fields *fields);

/* A query of ours in front of the client's: its answers are swallowed. */
bool relay_send_ours(struct server *server, const char *sql, enum owed_purpose purpose);
