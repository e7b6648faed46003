/* SPDX-License-Identifier: PostgreSQL
 * reply - what the gateway itself says to a client. */
#pragma once

#include <stddef.h>

struct client;
struct fault;

/* ErrorResponse with this severity ("ERROR", "FATAL"), or a NOTICE. */
void reply_error(struct client *client, const char *severity, const struct fault *fault);
void reply_notice(struct client *client, const struct fault *fault);
void reply_ready(struct client *client, char status);

/* AuthenticationOk, the notice (NULL: none), the parameters of the client's profile, its application_name,
 * its cancel key, ReadyForQuery. */
void reply_welcome(struct client *client, const struct fault *notice);
