/* SPDX-License-Identifier: PostgreSQL
 * extended - the console's extended protocol: several statements and portals by name, results in text or
 * binary, rows in parts. */
#pragma once

#include <stddef.h>

struct client;

/* One message: Parse, Bind, Describe, Execute or Close. */
void extended_message(struct client *client, char type, const unsigned char *body, size_t size);

/* A message of this type without a body. */
void extended_answer(struct client *client, char type);
