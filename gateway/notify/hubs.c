/* SPDX-License-Identifier: PostgreSQL
 * hubs - the registry of all hubs. */
#include "gateway/notify/hubs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/random.h"
#include "gateway/gateway.h"
#include "gateway/notify/ear.h"
#include "gateway/notify/hub.h"
#include "gateway/worker.h"

void hubs_open(struct hubs *hubs)
{
    memset(hubs, 0, sizeof *hubs);
    pthread_mutex_init(&hubs->lock, NULL);
}

void hubs_stop(struct hubs *hubs)
{
    hubs->closing = true;
}

static void hub_free(struct hub *hub)
{
    struct table_link *link;

    while ((link = table_pop(&hub->channels)) != NULL)
        free(table_entry(link, struct hub_channel, link));
    table_free(&hub->channels);
    free(hub->database);
    free(hub);
}

/* Errands and commands that a hub still had at the end. */
static void hub_abandon(struct hub *hub)
{
    struct list *left[] = {&hub->waiting, &hub->fences};

    while (!list_empty(&hub->commands)) {
        struct command *command = list_entry(hub->commands.next, struct command, link);

        list_remove(&command->link);
        list_each(link, following, &command->errands) {
            list_remove(link);
            errand_free(list_entry(link, struct errand, link));
        }
        free(command);
    }
    for (size_t i = 0; i < sizeof left / sizeof *left; i++)
        list_each(link, following, left[i]) {
            list_remove(link);
            errand_free(list_entry(link, struct errand, link));
        }
    for (size_t i = 0; i < HUB_WORKERS_MAX; i++)
        if (hub->ears[i] != NULL)
            ear_abandon(hub->ears[i]);
    if (hub->pool == NULL)
        return;
    pool_release(hub->pool);
    hub->pool = NULL;
    hub_release(hub);
}

void hubs_close(struct hubs *hubs)
{
    for (size_t i = 0; hubs->table.count > 0 && i <= hubs->table.mask; i++)
        while (hubs->table.buckets[i] != NULL) {
            struct hub *hub = table_entry(hubs->table.buckets[i], struct hub, link);

            hub_retain(hub);
            hub_abandon(hub);
            CHECK(hub->references == 1);
            hub_release(hub);
        }
    table_free(&hubs->table);
    pthread_mutex_destroy(&hubs->lock);
}

static uint64_t key_hash(const struct pool *pool, const char *encoding)
{
    uint64_t hash = table_hash(&pool->upstream, sizeof pool->upstream, 0);

    hash = table_hash(pool->database, strlen(pool->database), hash);
    return table_hash(encoding, strlen(encoding), hash);
}

static struct hub *hubs_find(struct hubs *hubs, uint64_t hash, const struct pool *pool, const char *encoding)
{
    for (struct table_link *link = table_find(&hubs->table, hash); link != NULL; link = table_next(link)) {
        struct hub *hub = table_entry(link, struct hub, link);

        if (hub->upstream == pool->upstream && strcmp(hub->database, pool->database) == 0 &&
            strcmp(hub->encoding, encoding) == 0)
            return hub;
    }
    return NULL;
}

static struct hub *hub_new(struct worker *worker, const struct pool *pool, const char *encoding)
{
    size_t database_bytes = strlen(pool->database) + 1, encoding_bytes = strlen(encoding) + 1;
    struct hub *hub = calloc(1, sizeof *hub);
    uint64_t word;

    if (hub == NULL || (hub->database = malloc(database_bytes + encoding_bytes)) == NULL) {
        free(hub);
        return NULL;
    }
    hub->encoding = hub->database + database_bytes;
    memcpy(hub->database, pool->database, database_bytes);
    memcpy(hub->encoding, encoding, encoding_bytes);
    hub->hubs = &worker->gateway->hubs;
    hub->owner = worker;
    hub->upstream = pool->upstream;
    random_fill(&word, sizeof word);
    snprintf(hub->marker, sizeof hub->marker, "pgsluice_%016llx", (unsigned long long)word);
    list_init(&hub->waiting);
    list_init(&hub->commands);
    list_init(&hub->fences);
    return hub;
}

struct hub *hubs_get(struct worker *worker, const struct pool *pool, const char *encoding)
{
    struct hubs *hubs = &worker->gateway->hubs;
    uint64_t hash = key_hash(pool, encoding);
    struct hub *hub;

    pthread_mutex_lock(&hubs->lock);
    hub = hubs_find(hubs, hash, pool, encoding);
    if (hub == NULL) {
        hub = hub_new(worker, pool, encoding);
        if (hub != NULL && !table_add(&hubs->table, &hub->link, hash)) {
            hub_free(hub);
            hub = NULL;
        }
    }
    if (hub != NULL)
        hub->references++;
    pthread_mutex_unlock(&hubs->lock);
    return hub;
}

void hub_retain(struct hub *hub)
{
    pthread_mutex_lock(&hub->hubs->lock);
    hub->references++;
    pthread_mutex_unlock(&hub->hubs->lock);
}

void hub_release(struct hub *hub)
{
    struct hubs *hubs = hub->hubs;
    bool last;

    pthread_mutex_lock(&hubs->lock);
    last = --hub->references == 0;
    if (last)
        table_remove(&hubs->table, &hub->link);
    pthread_mutex_unlock(&hubs->lock);
    if (last)
        hub_free(hub);
}
