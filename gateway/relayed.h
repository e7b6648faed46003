/* SPDX-License-Identifier: PostgreSQL
 * relayed - a login whose exchange goes through to PostgreSQL, and where channel binding ends it: the two
 * legs have different certificates, so what binds the one cannot hold on the other. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct client;
struct stream;

/* Sends an authentication message of PostgreSQL's (on `server`) to the client; SCRAM-SHA-256-PLUS is left
 * out of what it offers, unless both legs show the same certificate. True when it was left out. */
bool relayed_request(struct client *client, const struct stream *server, const void *message, size_t bytes);

/* The client's answer, a whole 'p' message, where PostgreSQL had offered channel binding: false, and the
 * client refused with a hint, when PostgreSQL would take it for a victim of tampering. */
bool relayed_answer(struct client *client, const void *message, size_t bytes);
