/* SPDX-License-Identifier: PostgreSQL
 * pool_secrets - how a pool logs in to PostgreSQL, for another process that takes its clients over. */
#pragma once

#include "router/shard.h"

struct pool_secrets {
    char *password;              /* NULL = none; owned */
    char md5[36];                /* "" = none */
    bool keys;                   /* client_key and server_key are known */
    unsigned char client_key[32], server_key[32];
};

/* A copy, to be wiped by the caller. */
void pool_secrets_copy(struct pool *pool, struct pool_secrets *secrets);
void pool_secrets_wipe(struct pool_secrets *secrets);

/* Whether there is anything that a password could be asked for with. */
bool pool_has_secrets(struct pool *pool);

/* The pool takes them where it knows nothing newer. */
void pool_secrets_offer(struct pool *pool, const struct pool_secrets *secrets);
