/* SPDX-License-Identifier: PostgreSQL
 * pool_secrets - how a pool logs in to PostgreSQL, for another process that takes its clients over. */
#pragma once

#include <stdbool.h>

#include "router/credentials.h"

struct pool;

/* A copy, to be wiped by the caller (credentials_wipe). */
void pool_secrets_copy(struct pool *pool, struct credentials *secrets);

/* Whether there is anything that a password could be asked for with. */
bool pool_has_secrets(struct pool *pool);

/* The pool takes them where it knows nothing newer. */
void pool_secrets_offer(struct pool *pool, const struct credentials *secrets);
