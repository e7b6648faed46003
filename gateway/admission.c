/* SPDX-License-Identifier: PostgreSQL
 * admission - who is let in while there is room: the limits of connections, logins and memory. */
#include "gateway/admission.h"

#include <netinet/in.h>
#include <string.h>

#include "gateway/base/fault.h"
#include "gateway/client.h"
#include "gateway/gateway.h"
#include "gateway/login.h"
#include "gateway/memory.h"
#include "gateway/worker.h"

static struct gateway *gateway_of(const struct client *client)
{
    return client->worker->gateway;
}

static void count(struct client *client, enum reason reason)
{
    struct counters *counters = &gateway_of(client)->counters;

    atomic_fetch_add(&counters->clients_refused, 1);
    switch ((int)reason) {
    case REASON_LOGIN_LIMIT: atomic_fetch_add(&counters->login_limit_reached, 1); break;
    case REASON_CLIENT_LIMIT: atomic_fetch_add(&counters->client_limit_reached, 1); break;
    case REASON_ADDRESS_LIMIT: atomic_fetch_add(&counters->address_limit_reached, 1); break;
    case REASON_USER_LIMIT: atomic_fetch_add(&counters->user_limit_reached, 1); break;
    case REASON_DATABASE_LIMIT: atomic_fetch_add(&counters->database_limit_reached, 1); break;
    case REASON_ROUTE_LIMIT: atomic_fetch_add(&counters->route_limit_reached, 1); break;
    case REASON_MEMORY_LIMIT: atomic_fetch_add(&counters->memory_limit_reached, 1); break;
    default: break;
    }
}

/* `limit` connections of `whom` are there; NULL: what the limit is for needs no name. */
static bool refuse(struct client *client, enum reason reason, int limit, const char *whom)
{
    struct fault fault;

    fault_set(&fault, reason_sqlstate(reason), "%s (%d%s%s)", reason_sentence(reason), limit,
              whom == NULL ? "" : " for ", whom == NULL ? "" : whom);
    fault_hint(&fault,
               "Close connections that are not used, use a smaller pool in the application, or raise the "
               "limit in the gateway's configuration.");
    count(client, reason);
    client_end(client, reason, &fault);
    return false;
}

/* The port does not count; nor does, of an IPv6 address, what one network may choose by itself. */
static size_t address_key(const struct address *peer, unsigned char key[16])
{
    if (peer->any.sa_family == AF_INET)
        memcpy(key, &((const struct sockaddr_in *)&peer->storage)->sin_addr, 4);
    else if (peer->any.sa_family == AF_INET6)
        memcpy(key, &((const struct sockaddr_in6 *)&peer->storage)->sin6_addr, 8);
    else
        return 0;
    return peer->any.sa_family == AF_INET ? 4 : 8;
}

static bool is_one_too_many(struct client *client, enum headcount_kind kind, const void *key, size_t length,
                            int limit)
{
    return !headcount_enter(&gateway_of(client)->headcount, &client->seat, kind, key, length, limit);
}

bool admission_arrives(struct client *client)
{
    const struct snapshot *snapshot = client->generation->snapshot;
    struct gateway *gateway = gateway_of(client);
    unsigned char key[16];

    if (is_one_too_many(client, HEADCOUNT_ADDRESS, key, address_key(&client->peer, key),
                        snapshot->max_client_conn_per_address))
        client->login->refusal = REASON_ADDRESS_LIMIT;
    else if (atomic_load(&gateway->logins) > snapshot->max_login_conn)
        client->login->refusal = REASON_LOGIN_LIMIT;
    if (client->login->refusal == REASON_CLIENT_LEFT)
        return true;
    client_count_refused(client);
    if (atomic_load(&gateway->refusals) <= snapshot->max_login_conn)
        return true;
    count(client, client->login->refusal);
    client_close(client, client->login->refusal, NULL);
    return false;
}

bool admission_begins(struct client *client)
{
    const struct snapshot *snapshot = client->generation->snapshot;

    if (client->login->refusal == REASON_ADDRESS_LIMIT)
        return refuse(client, REASON_ADDRESS_LIMIT, snapshot->max_client_conn_per_address, NULL);
    if (client->login->refusal == REASON_LOGIN_LIMIT)
        return refuse(client, REASON_LOGIN_LIMIT, snapshot->max_login_conn, NULL);
    if (client->verdict.class == CLASS_ADMIN)
        return true;
    if (atomic_load(&gateway_of(client)->clients) > snapshot->max_client_conn)
        return refuse(client, REASON_CLIENT_LIMIT, snapshot->max_client_conn, NULL);
    if (!memory_is_scarce(gateway_of(client)))
        return true;
    count(client, REASON_MEMORY_LIMIT);
    memory_refuse(client);
    return false;
}

bool admission_enters(struct client *client)
{
    const struct snapshot *snapshot = client->generation->snapshot;
    const struct route_options *route = client->verdict.route;
    const char *user = client->identity.user, *database = client->identity.database;

    if (client->verdict.class == CLASS_ADMIN)
        return true;
    if (is_one_too_many(client, HEADCOUNT_ROUTE, route->name, strlen(route->name),
                        route->pool.max_route_client_connections))
        return refuse(client, REASON_ROUTE_LIMIT, route->pool.max_route_client_connections, route->name);
    if (*user != '\0' && is_one_too_many(client, HEADCOUNT_USER, user, strlen(user),
                                         snapshot->max_user_client_connections))
        return refuse(client, REASON_USER_LIMIT, snapshot->max_user_client_connections, user);
    if (*database != '\0' && is_one_too_many(client, HEADCOUNT_DATABASE, database, strlen(database),
                                             snapshot->max_db_client_connections))
        return refuse(client, REASON_DATABASE_LIMIT, snapshot->max_db_client_connections, database);
    return true;
}

void admission_moves(struct client *client)
{
    const char *route = client->verdict.route->name, *user = client->identity.user;
    const char *database = client->identity.database;
    unsigned char key[16];

    (void)is_one_too_many(client, HEADCOUNT_ADDRESS, key, address_key(&client->peer, key), 0);
    (void)is_one_too_many(client, HEADCOUNT_ROUTE, route, strlen(route), 0);
    (void)is_one_too_many(client, HEADCOUNT_USER, user, strlen(user), 0);
    (void)is_one_too_many(client, HEADCOUNT_DATABASE, database, strlen(database), 0);
}

void admission_leaves(struct client *client)
{
    headcount_leave(&gateway_of(client)->headcount, &client->seat);
}
