/* SPDX-License-Identifier: PostgreSQL
 * login_tls - how a client's connection becomes encrypted, and whether it may stay plain. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "gateway/wire/startup.h"

struct client;

/* SSLRequest or GSSENCRequest; `alone`: nothing came behind it. */
void login_encryption_request(struct client *client, enum startup_kind kind, bool alone);

/* Whether these first bytes begin TLS without a request ("direct" negotiation). */
bool login_is_tls_record(const struct client *client, const unsigned char *bytes);
/* Goes on with TLS, or closes; all bytes are used. */
void login_direct_tls(struct client *client, const unsigned char *bytes, size_t length);

/* False, and the client refused, when its listener asks for TLS and it has none. */
bool login_encryption_suffices(struct client *client);
