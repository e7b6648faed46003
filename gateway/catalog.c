/* SPDX-License-Identifier: PostgreSQL
 * catalog - the registry, what is shown of each catalog, and how workers see it without locks: each shard
 * keeps a reference of its own and looks again when the version moved. */
#include "gateway/catalog.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/catalog_read.h"
#include "gateway/gateway.h"
#include "gateway/session/routines.h"
#include "gateway/session/statement.h"
#include "gateway/worker.h"
#include "router/shard.h"

static void catalog_free(struct catalog *catalog)
{
    routines_release(catalog->known);
    routines_release(catalog->before);
    catalog_names_free(&catalog->names);
    pthread_mutex_destroy(&catalog->lock);
    free(catalog->database);
    free(catalog);
}

static void catalog_release(struct catalog *catalog)
{
    struct catalogs *catalogs = catalog->catalogs;
    bool last;

    pthread_mutex_lock(&catalogs->lock);
    last = --catalog->references == 0;
    if (last)
        table_remove(&catalogs->table, &catalog->link);
    pthread_mutex_unlock(&catalogs->lock);
    if (last)
        catalog_free(catalog);
}

static void release_of_pool(struct pool *pool)
{
    for (int i = 0; i < pool->pools->thread_count; i++) {
        routines_release(pool->shards[i].routines);
        routines_release(pool->shards[i].routines_before);
    }
    catalog_release(atomic_load(&pool->catalog));
}

void catalogs_open(struct catalogs *catalogs)
{
    memset(catalogs, 0, sizeof *catalogs);
    pthread_mutex_init(&catalogs->lock, NULL);
    pool_catalog_free = release_of_pool;
}

void catalogs_close(struct catalogs *catalogs)
{
    for (struct table_link *link; (link = table_pop(&catalogs->table)) != NULL;) {
        struct catalog *catalog = table_entry(link, struct catalog, link);

        CHECK(catalog->references == 1);
        catalog_free(catalog);
    }
    table_free(&catalogs->table);
    pthread_mutex_destroy(&catalogs->lock);
}

static struct catalog *catalog_new(struct catalogs *catalogs, const struct pool *pool)
{
    struct catalog *catalog = calloc(1, sizeof *catalog);

    if (catalog == NULL)
        return NULL;
    catalog->catalogs = catalogs;
    catalog->references =
        1; /* the registry's: what is known outlives the pools, which come and go with clients */
    catalog->upstream = pool->upstream;
    catalog->database = strdup(pool->database);
    pthread_mutex_init(&catalog->lock, NULL);
    atomic_init(&catalog->version, 1);
    atomic_init(&catalog->expires_us, UINT64_MAX);
    if (catalog->database == NULL) {
        catalog_free(catalog);
        return NULL;
    }
    return catalog;
}

static struct catalog *catalogs_find(struct catalogs *catalogs, uint64_t hash, const struct pool *pool)
{
    struct table_link *link = table_find(&catalogs->table, hash);

    for (; link != NULL; link = table_next(link)) {
        struct catalog *catalog = table_entry(link, struct catalog, link);

        if (catalog->upstream == pool->upstream && strcmp(catalog->database, pool->database) == 0)
            return catalog;
    }
    return NULL;
}

/* The pool's catalog, made when there is none; a new reference. */
static struct catalog *catalogs_get(struct catalogs *catalogs, const struct pool *pool)
{
    uint64_t hash = table_hash(pool->database, strlen(pool->database), (uintptr_t)pool->upstream);
    struct catalog *catalog;

    pthread_mutex_lock(&catalogs->lock);
    catalog = catalogs_find(catalogs, hash, pool);
    if (catalog == NULL) {
        catalog = catalog_new(catalogs, pool);
        if (catalog != NULL && !table_add(&catalogs->table, &catalog->link, hash)) {
            catalog_free(catalog);
            catalog = NULL;
        }
    }
    if (catalog != NULL)
        catalog->references++;
    pthread_mutex_unlock(&catalogs->lock);
    return catalog;
}

void catalogs_each(struct catalogs *catalogs, void (*see)(const struct catalog *catalog, void *owner),
                   void *owner)
{
    pthread_mutex_lock(&catalogs->lock);
    for (size_t i = 0; catalogs->table.count > 0 && i <= catalogs->table.mask; i++) {
        for (struct table_link *link = catalogs->table.buckets[i]; link != NULL; link = link->next) {
            struct catalog *catalog = table_entry(link, struct catalog, link);

            pthread_mutex_lock(&catalog->lock);
            see(catalog, owner);
            pthread_mutex_unlock(&catalog->lock);
        }
    }
    pthread_mutex_unlock(&catalogs->lock);
}

static struct worker *worker_of(const struct pool_shard *shard)
{
    return list_entry(shard->thread, struct worker, thread);
}

struct catalog *catalog_of(struct pool_shard *shard)
{
    struct catalog *catalog = atomic_load_explicit(&shard->pool->catalog, memory_order_acquire);
    struct catalog *expected = NULL;

    if (catalog != NULL)
        return catalog;
    catalog = catalogs_get(&worker_of(shard)->gateway->catalogs, shard->pool);
    if (catalog == NULL || atomic_compare_exchange_strong(&shard->pool->catalog, &expected, catalog))
        return catalog;
    catalog_release(catalog); /* another worker was first */
    return expected;
}

/* The lock is held. */
static void hide(struct catalog *catalog)
{
    catalog->shown = false;
    atomic_store(&catalog->due_us, 0);
    atomic_store(&catalog->expires_us, UINT64_MAX);
    atomic_fetch_add(&catalog->version, 1);
}

void catalog_hide(struct catalog *catalog)
{
    pthread_mutex_lock(&catalog->lock);
    if (catalog->shown)
        hide(catalog);
    pthread_mutex_unlock(&catalog->lock);
}

/* Takes over what is shown now. */
static void look_again(struct pool_shard *shard, struct catalog *catalog)
{
    struct routines *before = shard->routines;
    bool expired;

    pthread_mutex_lock(&catalog->lock);
    expired = catalog->shown && shard->thread->now_us >= atomic_load(&catalog->expires_us);
    if (expired) /* believed until the answer is here, which is soon */
        atomic_store(&catalog->expires_us, UINT64_MAX);
    shard->routines = catalog->shown ? routines_retain(catalog->known) : NULL;
    if (shard->routines == NULL && before != NULL) { /* what was true a moment ago mostly still is */
        routines_release(shard->routines_before);
        shard->routines_before = before;
        before = NULL;
    }
    if (shard->routines == NULL && shard->routines_before == NULL)
        shard->routines_before = routines_retain(catalog->before);
    shard->routines_version = atomic_load(&catalog->version);
    pthread_mutex_unlock(&catalog->lock);
    routines_release(before);
    if (shard->routines == NULL || expired)
        catalog_read(shard);
}

const struct routines *catalog_routines(struct pool_shard *shard)
{
    struct catalog *catalog = catalog_of(shard);

    if (catalog == NULL)
        return NULL;
    if (!atomic_load_explicit(&catalog->used, memory_order_relaxed))
        atomic_store_explicit(&catalog->used, true, memory_order_relaxed);
    if (shard->routines_version != atomic_load_explicit(&catalog->version, memory_order_acquire)
        || shard->thread->now_us >= atomic_load_explicit(&catalog->expires_us, memory_order_relaxed))
        look_again(shard, catalog);
    return shard->routines;
}

void catalog_classify(struct pool_shard *shard, const char *text, size_t length, bool standard_strings,
                      struct statement_facts *facts)
{
    const struct session_state *policy = &pool_options(shard->pool)->session_state;
    bool all_allowed = (policy->allowed & pins_with_policy) == pins_with_policy; /* and so nothing matters */
    const struct routines *routines = all_allowed ? NULL : catalog_routines(shard);
    const struct routine *general;

    if (all_allowed) {
        statement_classify(text, length, standard_strings, NULL, facts);
        return;
    }
    statement_classify(text, length, standard_strings,
                       routines == NULL ? shard->routines_before : routines, facts);
    if (routines == NULL || facts->routines_change)
        facts->suspects |= PIN_BIT(ANYTHING);
    if (routines == NULL)
        return;
    general = routines_always(routines);
    if (general != NULL)
        routine_apply(general, facts);
    general = facts->ddl || facts->routines_change ? routines_on_ddl(routines) : NULL;
    if (general != NULL)
        routine_apply(general, facts);
}

void catalog_changed(struct pool_shard *shard)
{
    struct catalog *catalog = catalog_of(shard);
    struct routines *before;

    if (catalog == NULL)
        return;
    pthread_mutex_lock(&catalog->lock);
    catalog->changes++;
    before = NULL;
    if (catalog->known != NULL) {
        before = catalog->before;
        catalog->before = catalog->known;
    }
    catalog->known = NULL;
    catalog->fingerprint[0] = '\0';
    hide(catalog);
    pthread_mutex_unlock(&catalog->lock);
    routines_release(before);
    catalog_read(shard);
}

uint64_t catalog_version(struct pool_shard *shard)
{
    struct catalog *catalog = catalog_of(shard);

    return catalog == NULL ? 0 : atomic_load_explicit(&catalog->version, memory_order_acquire);
}

bool catalog_begin(struct catalog *catalog)
{
    return !atomic_exchange(&catalog->asking, true);
}

void catalog_end(struct catalog *catalog)
{
    atomic_store(&catalog->asking, false);
}

void catalog_pause(struct catalog *catalog, uint64_t until_us)
{
    atomic_store(&catalog->retry_us, until_us);
}

void catalog_forget(struct pool_shard *shard)
{
    routines_release(shard->routines);
    routines_release(shard->routines_before);
    shard->routines = shard->routines_before = NULL;
    shard->routines_version = 0;
}

uint64_t catalog_state(struct catalog *catalog, char fingerprint[CATALOG_FINGERPRINT_BYTES])
{
    uint64_t changes;

    pthread_mutex_lock(&catalog->lock);
    memcpy(fingerprint, catalog->fingerprint, CATALOG_FINGERPRINT_BYTES);
    if (catalog->shown) /* while this waits for a server, which may take long in a pool without a free one */
        atomic_store(&catalog->expires_us, UINT64_MAX);
    changes = catalog->changes;
    pthread_mutex_unlock(&catalog->lock);
    return changes;
}

/* The question was asked at the latest now; half of the time remains to ask again before it is too late. */
static void believe(struct catalog *catalog, uint64_t asked_us, uint64_t refresh_us)
{
    bool ever = refresh_us == 0;

    atomic_store(&catalog->used, false);
    atomic_store(&catalog->due_us, ever ? UINT64_MAX : asked_us + refresh_us / 2);
    atomic_store(&catalog->expires_us, ever ? UINT64_MAX : asked_us + refresh_us);
    catalog->complained = false;
    if (catalog->shown)
        return;
    catalog->shown = true;
    atomic_fetch_add(&catalog->version, 1);
}

bool catalog_publish(struct catalog *catalog, const struct catalog_answer *answer)
{
    struct routines *before = answer->routines;
    bool current;

    pthread_mutex_lock(&catalog->lock);
    current = catalog->changes == answer->changes && (answer->routines != NULL || catalog->known != NULL);
    if (current && answer->routines != NULL) {
        before = catalog->known;
        catalog->known = answer->routines;
        catalog_names_take(&catalog->names, answer->routines);
        catalog->shown = false;
        memcpy(catalog->fingerprint, answer->fingerprint, CATALOG_FINGERPRINT_BYTES);
    }
    if (current)
        believe(catalog, answer->asked_us, answer->refresh_us);
    if (answer->routines != NULL) {
        catalog->counts.reads++;
        catalog->counts.read_us = clock_now_us() - answer->asked_us;
        catalog->counts.read_bytes = answer->bytes;
        catalog->counts.known_since_us = clock_now_us();
    } else {
        catalog->counts.checks++;
    }
    pthread_mutex_unlock(&catalog->lock);
    routines_release(before);
    return current;
}

bool catalog_failed(struct catalog *catalog, uint64_t retry_us)
{
    bool first;

    atomic_store(&catalog->retry_us, retry_us);
    pthread_mutex_lock(&catalog->lock);
    if (catalog->shown)
        hide(catalog);
    first = !catalog->complained;
    catalog->complained = true;
    catalog->counts.failures++;
    pthread_mutex_unlock(&catalog->lock);
    return first;
}
