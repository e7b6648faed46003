/* SPDX-License-Identifier: PostgreSQL
 * packing - packs what a pooled session takes along when another process takes over. */
#include "gateway/takeover/packing.h"

#include <string.h>

#include "gateway/base/arena.h"
#include "gateway/client.h"
#include "gateway/gateway.h"
#include "gateway/notify/ear.h"
#include "gateway/notify/listening.h"
#include "gateway/takeover/passage.h"
#include "router/pool_secrets.h"

static struct setting_list settings_of(struct arena *arena, const struct settings *set)
{
    struct setting_list list = {0};

    list.count = set == NULL ? 0 : set->count;
    list.items = arena_alloc(arena, list.count * sizeof *list.items + 1);
    for (size_t i = 0; i < list.count; i++)
        list.items[i] = set->items[i];
    return list;
}

static struct setting_list parameters_of(struct arena *arena, const struct profile *profile)
{
    struct setting_list list = {.count = profile->count};

    list.items = arena_alloc(arena, list.count * sizeof *list.items + 1);
    for (size_t i = 0; i < list.count; i++)
        list.items[i] = (struct setting){profile->parameters[i].name, profile->parameters[i].value};
    return list;
}

static void pack_prepared(struct arena *arena, const struct prepared_names *names, struct luggage *luggage)
{
    luggage->names = arena_alloc(arena, names->table.count * sizeof *luggage->names + 1);
    for (size_t i = 0; names->table.count > 0 && i <= names->table.mask; i++)
        for (struct table_link *link = names->table.buckets[i]; link != NULL; link = link->next) {
            const struct prepared_name *name = table_entry(link, struct prepared_name, link);
            const struct statement *statement = name->statement;

            luggage->names[luggage->name_count++] = (struct packed_name){
                .name = name->name,
                .query = statement->bytes,
                .types = {statement->bytes + statement->query_bytes, statement->types_bytes},
                .shape = name->shape,
                .meaning = settings_of(arena, statement->meaning)};
        }
}

static void pack_channels(struct arena *arena, const struct listening *listening, struct luggage *luggage)
{
    if (listening == NULL)
        return;
    luggage->channels = arena_alloc(arena, listening->subscriptions.count * CHANNEL_BYTES + 1);
    list_each(link, following, &listening->all) {
        const struct subscription *subscription = list_entry(link, struct subscription, in_client);

        memcpy(luggage->channels[luggage->channel_count++], subscription->channel->name, CHANNEL_BYTES);
    }
}

static uint8_t flags_of(const struct client *client)
{
    const struct relay *relay = &client->relay;
    int flags = (relay->opaque_encoding ? LUGGAGE_OPAQUE : 0) |
                (relay->other_encoding ? LUGGAGE_OTHER_ENCODING : 0) |
                (relay->plain_backslashes ? LUGGAGE_PLAIN_BACKSLASHES : 0) |
                (client->sequence_server != 0 ? LUGGAGE_DREW : 0) |
                (client->first.opening != OPENING_UNDECIDED ? LUGGAGE_DECIDED : 0) |
                (client->unnamed.known ? LUGGAGE_UNNAMED : 0);

    return (uint8_t)flags;
}

/* How the pool logs in; where only a client's own login brings servers, nothing. */
static void pack_secrets(struct arena *arena, const struct credentials *secrets, struct luggage *luggage)
{
    unsigned char *keys = arena_alloc(arena, sizeof secrets->client_key + sizeof secrets->server_key);

    luggage->password = secrets->password == NULL ? "" : secrets->password;
    luggage->md5 = secrets->md5;
    if (!secrets->keys)
        return;
    memcpy(keys, secrets->client_key, sizeof secrets->client_key);
    memcpy(keys + sizeof secrets->client_key, secrets->server_key, sizeof secrets->server_key);
    luggage->keys = (struct chunk){keys, sizeof secrets->client_key + sizeof secrets->server_key};
}

static void pack_identity(const struct client *client, struct luggage *luggage)
{
    const struct identity *identity = &client->identity;
    bool renamed = identity->application_name != identity->startup_name;

    luggage->listener = client->listener->name;
    luggage->user = identity->user;
    luggage->database = identity->database;
    luggage->startup_name = identity->startup_name;
    luggage->changed_name = renamed ? identity->application_name : "";
    luggage->pool_user = client->pool->user;
    luggage->peer = client->peer;
    luggage->pid = client->key.pid;
    luggage->secret = (struct chunk){client->secret, client->key.secret_bytes};
}

static bool pack_all(const struct client *client, struct arena *arena, struct pack *pack)
{
    struct luggage luggage = {
        .token = passage_token(client),
        .connected_us = client->connected_us,
        .transactions = client->transactions,
        .queries = client->queries,
        .flags = flags_of(client),
        .unnamed = {client->unnamed.body, client->unnamed.known ? client->unnamed.bytes : 0},
        .kept = {client->stream.kept, client->stream.kept_used}};
    struct credentials secrets;
    bool packed;

    pool_secrets_copy(client->pool, &secrets);
    pack_secrets(arena, &secrets, &luggage);
    pack_identity(client, &luggage);
    if (client->welcome != NULL)
        luggage.welcome = (struct chunk){client->welcome->bytes, client->welcome->length};
    luggage.parameters = parameters_of(arena, client->profile);
    luggage.settings = settings_of(arena, client->settings);
    pack_prepared(arena, &client->names, &luggage);
    pack_channels(arena, client->listening, &luggage);
    packed = luggage.name_count <= LUGGAGE_NAMES_MAX && luggage.channel_count <= LUGGAGE_CHANNELS_MAX &&
             luggage.parameters.count <= LUGGAGE_PARAMETERS_MAX && luggage_pack(&luggage, pack);
    credentials_wipe(&secrets);
    return packed;
}

bool packing_client(const struct client *client, struct pack *pack)
{
    struct arena *arena = arena_new();
    bool packed = arena != NULL && pack_all(client, arena, pack);

    if (arena != NULL)
        arena_free(arena);
    return packed;
}
