/* SPDX-License-Identifier: PostgreSQL
 * unpacking - makes a session of what it took along from the process that is taken over. The configuration
 * may have changed: it is routed anew, and stays where it is when its kind of port is another one now. */
#include "gateway/takeover/unpacking.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/admission.h"
#include "gateway/client.h"
#include "gateway/client_moves.h"
#include "gateway/gateway.h"
#include "gateway/login.h"
#include "gateway/relay.h"
#include "gateway/worker.h"
#include "router/pool_secrets.h"

enum { SEQUENCE_ELSEWHERE = -1 /* the id of no server */ };

static const struct listener_options *find_listener(const struct snapshot *snapshot, const char *name)
{
    for (size_t i = 0; i < snapshot->listener_count; i++)
        if (strcmp(snapshot->listeners[i].name, name) == 0)
            return &snapshot->listeners[i];
    return NULL;
}

/* The packet with which it would connect now. */
static void make_startup(const struct luggage *luggage, struct startup_parameter *parameters,
                         struct startup *startup)
{
    for (size_t i = 0; i < luggage->parameters.count; i++)
        parameters[i] = (struct startup_parameter){luggage->parameters.items[i].name,
                                                   luggage->parameters.items[i].value};
    *startup = (struct startup){.kind = STARTUP_SESSION,
                                .major = 3,
                                .user = luggage->user,
                                .database = luggage->database,
                                .application_name = luggage->startup_name,
                                .parameters = parameters,
                                .parameter_count = luggage->parameters.count};
}

static bool route(struct client *client, const struct startup *startup, struct fault *fault)
{
    const struct connection_facts facts = {
        .startup = startup, .listener = client->listener, .address = &client->peer.any};

    classify(client->generation->snapshot, &facts, &client->verdict, fault);
    if (client->verdict.refused)
        return false;
    if (client->verdict.class == CLASS_ADMIN ||
        (client->verdict.mode != MODE_TRANSACTION && client->verdict.mode != MODE_STATEMENT))
        return fault_set(fault, "55000", "the route \"%s\" would serve it in another mode",
                         client->verdict.route->name);
    return true;
}

static void offer_secrets(struct pool *pool, const struct luggage *luggage)
{
    struct credentials secrets = {.keys = luggage->keys.size > 0};
    const unsigned char *keys = luggage->keys.bytes;

    if (strcmp(pool->user, luggage->pool_user) != 0)
        return;
    secrets.password = *luggage->password == '\0' ? NULL : strdup(luggage->password);
    strcpy(secrets.md5, luggage->md5);
    if (secrets.keys) {
        memcpy(secrets.client_key, keys, sizeof secrets.client_key);
        memcpy(secrets.server_key, keys + sizeof secrets.client_key, sizeof secrets.server_key);
    }
    pool_secrets_offer(pool, &secrets);
    credentials_wipe(&secrets);
}

static bool find_pool(struct client *client, const struct startup *startup, const struct luggage *luggage,
                      struct fault *fault)
{
    const struct route_options *route = client->verdict.route;
    const char *user = route->user == NULL ? luggage->user : route->user;
    struct pools *pools = &client->worker->gateway->pools;

    client->pool = pools_get(pools, luggage->database, user, route,
                             upstreams_find(client->generation->upstreams, route->upstream));
    if (client->pool == NULL)
        return fault_set(fault, "53200", "out of memory");
    client->shard = pool_shard(client->pool, &client->worker->thread);
    client->profile = profiles_intern(&client->pool->profiles, startup, &route->settings);
    if (client->profile == NULL)
        return fault_set(fault, "54000", "its pool has %d different sets of startup parameters already",
                         PROFILES_MAX);
    client->epoch = atomic_load(&pools->epoch);
    offer_secrets(client->pool, luggage);
    client->welcome = profile_remember_welcome(&client->pool->profiles, client->profile,
                                               luggage->welcome.bytes, luggage->welcome.size);
    return client->welcome != NULL || fault_set(fault, "53200", "out of memory");
}

/* What running a text may do is asked anew when it is bound: no catalog has version UINT64_MAX. */
static bool take_name(struct client *client, const struct packed_name *packed)
{
    struct gateway *gateway = client->worker->gateway;
    const struct parse_fields parse = {packed->name, packed->query, strlen(packed->query),
                                       packed->types.bytes, packed->types.size};
    const struct settings *meaning;
    struct statement_facts facts;
    struct prepared_name *name = NULL;
    struct statement *statement;

    if (names_find(&client->names, packed->name) != NULL ||
        !settings_intern(&gateway->settings, packed->meaning.items, packed->meaning.count, &meaning))
        return false;
    statement = statement_intern(&gateway->statements, &parse, meaning);
    settings_release(meaning);
    if (statement == NULL)
        return false;
    name = names_add(&client->names, packed->name, statement, statements_number(&gateway->statements));
    statement_release(statement);
    if (name == NULL)
        return false;
    name->confirmed = true;
    name->shape = packed->shape;
    name->version = UINT64_MAX;
    statement_classify(parse.query, parse.query_length, !client->relay.plain_backslashes, NULL, &facts);
    return !facts_matter(&facts) || facts_keep(&name->facts, &facts);
}

static bool take_unnamed(struct client *client, const struct chunk *body)
{
    struct statement_facts facts;
    struct parse_fields parse;

    if (!fields_parse(body->bytes, body->size, &parse))
        return false;
    statement_classify(parse.query, parse.query_length, !client->relay.plain_backslashes, NULL, &facts);
    client->unnamed.version = UINT64_MAX;
    return unnamed_set(&client->unnamed, body->bytes, body->size, &facts);
}

static bool take_state(struct client *client, const struct luggage *luggage)
{
    struct relay *relay = &client->relay;

    relay->opaque_encoding = (luggage->flags & LUGGAGE_OPAQUE) != 0;
    relay->other_encoding = (luggage->flags & LUGGAGE_OTHER_ENCODING) != 0;
    relay->plain_backslashes = (luggage->flags & LUGGAGE_PLAIN_BACKSLASHES) != 0;
    if ((luggage->flags & LUGGAGE_DREW) != 0)
        client->sequence_server = (uint64_t)SEQUENCE_ELSEWHERE;
    if ((luggage->flags & LUGGAGE_DECIDED) != 0)
        client->first.opening = OPENING_APPLICATION;
    if (!settings_intern(&client->worker->gateway->settings, luggage->settings.items, luggage->settings.count,
                         &client->settings))
        return false;
    for (size_t i = 0; i < luggage->name_count; i++)
        if (!take_name(client, &luggage->names[i]))
            return false;
    if ((luggage->flags & LUGGAGE_UNNAMED) != 0 && !take_unnamed(client, &luggage->unnamed))
        return false;
    if (*luggage->changed_name == '\0')
        return true;
    client->identity.changed_name = strdup(luggage->changed_name);
    client->identity.application_name = client->identity.changed_name;
    return client->identity.changed_name != NULL;
}

/* The same key, so that cancel requests find it wherever they come in. */
static bool take_key(struct client *client, const struct luggage *luggage)
{
    struct cancel_key *key = &client->key;

    memcpy(client->secret, luggage->secret.bytes, luggage->secret.size);
    key->pid = luggage->pid;
    key->secret = client->secret;
    key->secret_bytes = (uint32_t)luggage->secret.size;
    key->worker = client->worker->thread.index;
    key->client_id = client->id;
    return cancel_keys_add(&client->worker->gateway->cancel_keys, key);
}

static bool unpack(struct client *client, const struct luggage *luggage, struct fault *fault)
{
    struct startup_parameter parameters[LUGGAGE_PARAMETERS_MAX];
    struct startup startup;

    make_startup(luggage, parameters, &startup);
    if (!login_remember_identity(client, &startup))
        return fault_set(fault, "53200", "out of memory");
    if (!route(client, &startup, fault) || !find_pool(client, &startup, luggage, fault))
        return false;
    if (!take_state(client, luggage) ||
        !stream_keep(&client->stream, luggage->kept.bytes, luggage->kept.size))
        return fault_set(fault, "53200", "its state could not be taken, or there is no memory for it");
    if (!take_key(client, luggage))
        return fault_set(fault, "55000", "its cancel key is another session's here");
    client->transactions = luggage->transactions;
    client->queries = luggage->queries;
    if (luggage->connected_us < client->connected_us)
        client->connected_us = luggage->connected_us;
    client->waiter = (struct waiter){.want = WANT_POOLED};
    list_init(&client->waiter.link);
    admission_moves(client);
    client->counted_in_pool = true;
    atomic_fetch_add(&client->pool->clients, 1);
    return true;
}

static bool is_connection(int fd)
{
    socklen_t length = sizeof(int);
    int type = 0;

    return fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_STREAM;
}

struct client *unpacking_client(struct worker *worker, const struct luggage *luggage, int fd,
                                struct fault *fault)
{
    const struct listener_options *listener =
        find_listener(worker->generation->snapshot, luggage->listener);
    struct client *client = NULL;

    if (listener == NULL)
        fault_set(fault, "55000", "there is no listener \"%.64s\" any more", luggage->listener);
    else if (!is_connection(fd))
        fault_set(fault, "08P01", "it came without a connection");
    else if ((client = client_new(worker, &luggage->peer, worker->generation, listener)) == NULL)
        fault_set(fault, "53200", "out of memory");
    if (client == NULL) {
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    client_enter(client, CLIENT_ARRIVING);
    stream_open(&client->stream, &worker->engine, fd, &relay_client_events);
    stream_pause(&client->stream);
    if (unpack(client, luggage, fault))
        return client;
    client_depart(client);
    return NULL;
}
