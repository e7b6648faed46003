/* SPDX-License-Identifier: PostgreSQL
 * credentials - what a pool logs in to PostgreSQL with. */
#include "router/credentials.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "router/pools.h"

static void secret_free(char *secret)
{
    if (secret != NULL)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

void credentials_wipe(struct credentials *credentials)
{
    secret_free(credentials->password);
    explicit_bzero(credentials, sizeof *credentials);
}

/* A login of our own is worth a try again. */
static void credentials_changed(struct pool *pool)
{
    atomic_store(&pool->no_password, false);
    atomic_store(&pool->own_login_at_us, 0);
}

static bool same_password(const struct credentials *credentials, const char *password)
{
    return credentials->password != NULL && strcmp(credentials->password, password) == 0;
}

static bool same_key(const struct credentials *credentials, const unsigned char *client_key)
{
    return credentials->keys &&
           CRYPTO_memcmp(credentials->client_key, client_key, sizeof credentials->client_key) == 0;
}

void pool_set_credentials(struct pool *pool, const char *password, const unsigned char *client_key,
                          const unsigned char *server_key)
{
    credentials_changed(pool);
    pthread_mutex_lock(&pool->lock);
    if ((password != NULL && !same_password(&pool->credentials, password)) ||
        (client_key != NULL && !same_key(&pool->credentials, client_key)))
        atomic_store(&pool->retry_at_us, 0); /* what PostgreSQL refused was another one */
    if (password != NULL) {
        credentials_wipe(&pool->credentials);
        pool->credentials.password = strdup(password);
    }
    if (client_key != NULL) {
        memcpy(pool->credentials.client_key, client_key, sizeof pool->credentials.client_key);
        memcpy(pool->credentials.server_key, server_key, sizeof pool->credentials.server_key);
        pool->credentials.keys = true;
    }
    pthread_mutex_unlock(&pool->lock);
}

void pool_set_md5(struct pool *pool, const char *hash)
{
    CHECK(strlen(hash) < sizeof pool->credentials.md5);
    credentials_changed(pool);
    pthread_mutex_lock(&pool->lock);
    strcpy(pool->credentials.md5, hash);
    pthread_mutex_unlock(&pool->lock);
}
