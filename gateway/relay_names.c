/* SPDX-License-Identifier: PostgreSQL
 * relay_names - a client's prepared statements under its own names, for as long as SQL may name them. */
#include "gateway/relay_names.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/client.h"
#include "gateway/relay_place.h"
#include "gateway/session/mentions.h"
#include "gateway/session/owed.h"
#include "gateway/session/probe.h"

static bool no_memory(struct client *client)
{
    client_close(client, REASON_MEMORY, NULL);
    return false;
}

static bool note_leaving(struct client *client, const struct mention *mention, struct prepared_name *name)
{
    return mention->kind != MENTION_DEALLOCATE || name_list_add(&client->names.leaving, name) ||
           no_memory(client);
}

/* What is only forgotten or refused need not be parsed again: an empty statement stands for it, which
 * PostgreSQL takes even in a transaction that failed. */
static bool place_mentioned(struct client *client, const struct mention *mention, enum names_when when)
{
    struct prepared_name *name = *mention->name == '\0' ? NULL : names_find(&client->names, mention->name);

    if (when != NAMES_PARSE && !note_leaving(client, mention, name))
        return false;
    if (name == NULL)
        return true;
    if (mention->kind != MENTION_EXECUTE)
        return place_material(client, name, MATERIAL_EMPTY);
    return client->server->status == 'E' || place_material(client, name, MATERIAL_TRUE);
}

static int by_number(const void *a, const void *b)
{
    const struct prepared_name *one = *(struct prepared_name *const *)a;
    const struct prepared_name *other = *(struct prepared_name *const *)b;

    return (one->number > other->number) - (one->number < other->number);
}

/* In the order of the client's Parses, which the view's prepare_time shows. */
static bool place_all(struct client *client, bool each_synced)
{
    const struct table *table = &client->names.table;
    struct prepared_name **names = calloc(table->count + 1, sizeof *names);
    size_t count = 0;
    bool going_on = true;

    if (names == NULL)
        return no_memory(client);
    for (size_t i = 0; table->count > 0 && i <= table->mask; i++)
        for (struct table_link *link = table->buckets[i]; link != NULL; link = link->next)
            names[count++] = table_entry(link, struct prepared_name, link);
    qsort(names, count, sizeof *names, by_number);
    for (size_t i = 0; i < count && going_on; i++) {
        bool there = names[i]->material == MATERIAL_TRUE;

        going_on = place_material(client, names[i], MATERIAL_TRUE) &&
                   (there || !each_synced || place_sync(client));
    }
    free(names);
    return going_on;
}

static bool needs_names(const struct client *client, const struct statement_facts *facts,
                        enum names_when when)
{
    return !client->relay.dedicated && (facts->executes || (facts->asks_prepared && when != NAMES_PARSE));
}

/* What a placed statement names in turn: one may be EXECUTE of another. Each is placed once, so this ends. */
static bool place_followers(struct client *client)
{
    const struct name_list *materials = &client->server->session->materials;

    for (size_t i = 0; i < materials->count; i++) {
        const struct prepared_name *name = materials->names[i];
        struct mentions mentions;
        struct mention mention;

        if (name->material != MATERIAL_TRUE || name->facts == NULL || !name->facts->executes)
            continue;
        mentions_begin(&mentions, name->statement->bytes, name->statement->query_bytes - 1,
                       !client->relay.plain_backslashes);
        while (mentions_next(&mentions, &mention))
            if (!place_mentioned(client, &mention, NAMES_PARSE))
                return false;
    }
    return true;
}

/* False: the session ended. */
static bool place_named(struct client *client, const char *text, size_t length, enum names_when when)
{
    bool synced = when == NAMES_QUERY && !client->relay.unsynced, hidden = true;
    struct mentions mentions;
    struct mention mention;

    mentions_begin(&mentions, text, length, !client->relay.plain_backslashes);
    while (mentions_next(&mentions, &mention)) {
        uint32_t owed = client->server->session->owed.count;

        hidden = false;
        if (!place_mentioned(client, &mention, when) || !place_followers(client))
            return false;
        if (synced && client->server->session->owed.count > owed && !place_sync(client))
            return false;
    }
    if (!hidden)
        return true;
    client->server->session->names_unseen =
        true; /* a function's body says so: what it does to our names is not seen */
    return client->server->status == 'E' || place_all(client, synced);
}

enum step relay_names_before(struct client *client, const struct statement_facts *facts, const char *text,
                             size_t length, enum names_when when)
{
    if (when != NAMES_PARSE) {
        name_list_clear(&client->names.leaving);
        client->names.left = 0;
        client->names.portal = 0;
    }
    if (!needs_names(client, facts, when))
        return STEP_TAKEN;
    if (client->server->session->owed.count > 0) {
        client->relay.reserved = true; /* what was done for this message is not to be undone meanwhile */
        relay_barrier(client); /* only then it is known what is there and whether the transaction failed */
        client->relay.reserved = client->relay.reserved || when == NAMES_QUERY;
        return STEP_WAIT;
    }
    if (facts->executes && !place_named(client, text, length, when))
        return STEP_ENDED;
    if (!facts->asks_prepared || when == NAMES_PARSE || client->server->status == 'E')
        return STEP_TAKEN;
    if (!place_close_shared(client) ||
        !place_all(client, when == NAMES_QUERY && !client->relay.unsynced))
        return STEP_ENDED;
    return STEP_TAKEN;
}

static uint64_t portal_hash(const char *portal)
{
    return table_hash(portal, strlen(portal), 0) | 1;
}

void relay_names_bound(struct client *client, const char *portal, const struct statement_facts *facts)
{
    if (facts->barrier || facts->discards)
        client->names.portal = portal_hash(portal);
}

bool relay_names_leave(const struct client *client, const char *portal)
{
    return client->names.portal != 0 && client->names.portal == portal_hash(portal);
}

static bool tag_is(const unsigned char *tag, size_t size, const char *wanted)
{
    return size == strlen(wanted) + 1 && memcmp(tag, wanted, size) == 0;
}

/* Everything that was prepared is gone, ours and the client's. */
static void forget_all(struct server *server)
{
    struct client *client = server->client;
    struct name_list *materials = &server->session->materials;

    set_clear(&server->session->prepared);
    for (size_t i = 0; i < materials->count; i++)
        materials->names[i]->material = MATERIAL_NONE;
    name_list_clear(materials);
    if (client != NULL)
        names_clear(&client->names);
}

void relay_names_done(struct server *server, const unsigned char *tag, size_t size)
{
    struct client *client = server->client;
    struct prepared_name *name;

    if (tag_is(tag, size, "DISCARD ALL") || tag_is(tag, size, "DEALLOCATE ALL")) {
        forget_all(server);
        return;
    }
    if (!tag_is(tag, size, "DEALLOCATE") || client == NULL ||
        client->names.left >= client->names.leaving.count)
        return;
    name = client->names.leaving.names[client->names.left++];
    if (name == NULL)
        return;
    name->material = MATERIAL_NONE;
    names_remove(&client->names, name);
}

static bool is_found(const struct probe *probe, const char *name)
{
    if (strncmp(name, "pgsluice_", 9) == 0)
        return true; /* it was counted with ours */
    for (size_t i = 0; i < probe->name_count; i++)
        if (strcmp(probe->names[i], name) == 0)
            return true;
    return false;
}

/* What was prepared since PostgreSQL was asked is confirmed behind its answer. */
static void forget_confirmed(struct client *client)
{
    const struct table *table = &client->names.table;

    for (size_t i = 0; table->count > 0 && i <= table->mask; i++) {
        for (struct table_link *link = table->buckets[i], *following; link != NULL; link = following) {
            struct prepared_name *name = table_entry(link, struct prepared_name, link);

            following = link->next;
            if (!name->confirmed)
                continue;
            name->material = MATERIAL_NONE;
            names_remove(&client->names, name);
        }
    }
}

void relay_names_found(struct client *client, const struct probe *probe)
{
    struct server_session *session = client->server->session;
    size_t surely = set_confirmed(&session->prepared);

    if (!probe->asks_names)
        return;
    if (probe->shared_count < surely)
        set_doubt_all(&session->prepared);
    if (probe->shared_count == 0 && surely > 0) { /* nothing but DEALLOCATE ALL removes statements of ours */
        forget_confirmed(client);
        return;
    }
    for (size_t i = 0; i < session->materials.count; i++) {
        struct prepared_name *name = session->materials.names[i];

        if (name->material == MATERIAL_NONE || !name->confirmed || is_found(probe, name->name))
            continue;
        name->material = MATERIAL_NONE;
        names_remove(&client->names, name);
    }
}

bool relay_names_back(struct client *client)
{
    return client->server->session->materials.count == 0 ||
           (place_take_back(client) && client->server->session->owed.count == 0);
}
