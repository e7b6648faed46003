/* SPDX-License-Identifier: PostgreSQL
 * relay_prepared - Parse, Bind, Describe, Close and Execute of pooled clients; a server must be linked. */
#pragma once

#include "gateway/relay.h"

struct client;
struct statement_facts;

/* facts: what the text may do; kept for its Binds. */
enum step relay_parse(struct client *client, const struct message *message,
                      const struct statement_facts *facts);
enum step relay_bind(struct client *client, const struct message *message);
enum step relay_describe(struct client *client, const struct message *message);
enum step relay_close(struct client *client, const struct message *message);
enum step relay_execute(struct client *client, const struct message *message);
