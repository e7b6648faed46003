/* SPDX-License-Identifier: PostgreSQL
 * pool_secrets - how a pool logs in to PostgreSQL, for another process that takes its clients over. */
#include "router/pool_secrets.h"

#include <stdlib.h>
#include <string.h>

#include "router/pools.h"
#include "router/shard.h"

void pool_secrets_copy(struct pool *pool, struct credentials *secrets)
{
    const struct credentials *known = &pool->credentials;

    memset(secrets, 0, sizeof *secrets);
    pthread_mutex_lock(&pool->lock);
    secrets->password = known->password == NULL ? NULL : strdup(known->password);
    memcpy(secrets->md5, known->md5, sizeof secrets->md5);
    secrets->keys = known->keys;
    memcpy(secrets->client_key, known->client_key, sizeof secrets->client_key);
    memcpy(secrets->server_key, known->server_key, sizeof secrets->server_key);
    pthread_mutex_unlock(&pool->lock);
}

bool pool_has_secrets(struct pool *pool)
{
    bool known;

    pthread_mutex_lock(&pool->lock);
    known = pool->credentials.password != NULL || *pool->credentials.md5 != '\0' || pool->credentials.keys;
    pthread_mutex_unlock(&pool->lock);
    return known;
}

void pool_secrets_offer(struct pool *pool, const struct credentials *secrets)
{
    if (pool_has_secrets(pool))
        return;
    if (secrets->password != NULL)
        pool_set_credentials(pool, secrets->password, NULL, NULL);
    if (*secrets->md5 != '\0')
        pool_set_md5(pool, secrets->md5);
    if (secrets->keys)
        pool_set_credentials(pool, NULL, secrets->client_key, secrets->server_key);
}
