/* SPDX-License-Identifier: PostgreSQL
 * secrets - what a client's password is checked against, and what its pool logs in to PostgreSQL with. */
#include "gateway/secrets.h"

#include <string.h>

#include "gateway/auth/lookup.h"
#include "gateway/auth/passfile.h"
#include "gateway/auth/secret.h"
#include "gateway/auth/users.h"
#include "gateway/authenticate.h"
#include "gateway/base/fault.h"
#include "gateway/base/log.h"
#include "gateway/client.h"
#include "gateway/gateway.h"
#include "gateway/login.h"
#include "gateway/worker.h"

static struct upstream *upstream_of(const struct client *client)
{
    return upstreams_find(client->generation->upstreams, client->verdict.route->upstream);
}

static const struct user *listed(const struct client *client, const char *name)
{
    const struct users *users = client->generation->access.users;

    return users == NULL ? NULL : users_find(users, name);
}

static void answered(struct lookup_request *request)
{
    struct client *client = request->asker;

    client->login->waits = NULL; /* the request is ours again */
    if (request->outcome == LOOKUP_FAILED)
        client_refuse(client, &request->fault);
    else
        client->login->then(client);
}

/* Asks for the client's user; the request stays in *place until the login is over. */
static void look_up(struct client *client, enum lookup_kind kind, struct lookup_request **place,
                    void (*then)(struct client *client))
{
    struct gateway *gateway = client->worker->gateway;
    const struct snapshot *snapshot = client->generation->snapshot;
    struct lookup_request *request = lookup_request_new(gateway->lookups, client->generation, kind,
                                                        upstream_of(client), client->identity.user);

    if (request == NULL) {
        client_close(client, REASON_MEMORY, NULL);
        return;
    }
    *place = request;
    client->login->then = then;
    if (lookup_cached(request)) {
        then(client);
        return;
    }
    request->reply_to = &client->worker->mailbox;
    request->answered = answered;
    request->asker = client;
    if (snapshot->client_login_timeout_us > 0)
        request->deadline_us = client->connected_us + snapshot->client_login_timeout_us;
    client->login->waits = place;
    lookup_send(request);
}

/* A text in PostgreSQL that cannot be a secret is nobody's. */
static void secret_found(struct client *client)
{
    struct login *login = client->login;
    struct fault fault;

    if (login->secret_request->outcome == LOOKUP_FOUND)
        login->secret = secret_new(login->secret_request->found.text, &fault);
    if (login->secret == NULL && login->secret_request->outcome == LOOKUP_FOUND)
        log_warn(client->worker->thread.who, "user=%s: what auth_query found is no secret: %s",
                 client->identity.user, fault.message);
    login->secret_then(client);
}

void secrets_find(struct client *client, void (*then)(struct client *client))
{
    const struct user *user = listed(client, client->identity.user);
    struct login *login = client->login;

    if (user != NULL)
        login->secret = secret_retain(user->secret);
    if (user != NULL || client->generation->snapshot->auth.user == NULL) {
        then(client);
        return;
    }
    login->secret_then = then;
    look_up(client, LOOKUP_SECRET, &login->secret_request, secret_found);
}

static void roles_found(struct client *client)
{
    client->login->roles_then(client);
}

void secrets_find_roles(struct client *client, void (*then)(struct client *client))
{
    struct login *login = client->login;

    if (client->generation->snapshot->auth.user == NULL) {
        then(client);
        return;
    }
    login->roles_then = then;
    look_up(client, LOOKUP_ROLES, &login->roles_request, roles_found);
}

enum hba_answer secrets_is_member(const struct client *client, const char *role)
{
    const struct lookup_request *request = client->login->roles_request;
    size_t at = 0;

    if (request == NULL)
        return HBA_UNKNOWN;
    while (at < request->found.bytes) {
        if (strcmp(request->found.text + at, role) == 0)
            return HBA_YES;
        at += strlen(request->found.text + at) + 1;
    }
    return HBA_NO;
}

static void request_end(struct login *login, struct lookup_request **place)
{
    if (*place == NULL)
        return;
    if (login->waits == place)
        (*place)->abandoned = true; /* it is main's now, and freed when it comes back */
    else
        lookup_request_free(*place);
    *place = NULL;
}

void secrets_end(struct client *client)
{
    struct login *login = client->login;

    secret_release(login->secret);
    login->secret = NULL;
    request_end(login, &login->secret_request);
    request_end(login, &login->roles_request);
    login->waits = NULL;
}

void secrets_forget(const struct client *client)
{
    const struct lookup_request *request = client->login->secret_request;

    if (request != NULL && request->from_cache)
        lookup_forget(request);
}

/* A route's own user logs in with what the operator gave for it, whoever the client is. */
static bool is_pool_user(const struct client *client)
{
    return client->pool != NULL && strcmp(client->pool->user, client->identity.user) == 0;
}

static void share_secret(struct client *client, const struct secret *secret)
{
    if (secret_kind(secret) == SECRET_PASSWORD)
        pool_set_credentials(client->pool, secret_password(secret), NULL, NULL);
    else if (secret_kind(secret) == SECRET_MD5)
        pool_set_md5(client->pool, secret_md5(secret));
}

/* The first address of each host counts: a passfile names hosts, not what they stand for. */
static const char *password_in_file(const struct client *client)
{
    const struct passfile *file = client->generation->access.passfile;
    const struct pool *pool = client->pool;

    for (size_t i = 0; file != NULL && i < pool->upstream->host_count; i++) {
        const struct host *host = &pool->upstream->hosts[i];
        const char *password = passfile_find(file, host->name, host->port, pool->database, pool->user);

        if (password != NULL)
            return password;
    }
    return NULL;
}

void secrets_share_known(struct client *client)
{
    secrets_share_judged(client, NULL);
}

void secrets_share_judged(struct client *client, const char *judged)
{
    const struct user *user;
    const char *password;

    if (client->pool == NULL)
        return;
    password = password_in_file(client);
    user = listed(client, client->pool->user);
    if (password != NULL)
        pool_set_credentials(client->pool, password, NULL, NULL);
    else if (user != NULL)
        share_secret(client, user->secret);
    else if (judged != NULL)
        secrets_share_password(client, judged);
}

void secrets_share_forced(struct client *client)
{
    if (!is_pool_user(client))
        secrets_share_known(client);
}

void secrets_share_password(struct client *client, const char *password)
{
    if (is_pool_user(client))
        pool_set_credentials(client->pool, password, NULL, NULL);
}

void secrets_share_keys(struct client *client, const unsigned char *client_key,
                        const unsigned char *server_key)
{
    if (is_pool_user(client))
        pool_set_credentials(client->pool, NULL, client_key, server_key);
}

void secrets_share_secret(struct client *client)
{
    if (is_pool_user(client))
        share_secret(client, client->login->secret);
}
