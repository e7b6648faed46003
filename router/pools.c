/* SPDX-License-Identifier: PostgreSQL
 * pools - finds, makes and forgets pools; their limits, credentials and time-driven work. */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/fault.h"
#include "router/connect.h"
#include "router/linger.h"
#include "router/pool.h"
#include "router/pool_budget.h"
#include "router/pool_hosts.h"
#include "router/pool_wait.h"
#include "router/tally.h"

void (*pool_catalog_free)(struct pool *pool);

void pools_open(struct pools *pools, struct pool_thread **threads, int count)
{
    memset(pools, 0, sizeof *pools);
    pthread_mutex_init(&pools->lock, NULL);
    pools->threads = threads;
    pools->thread_count = count;
}

void pools_close(struct pools *pools)
{
    CHECK(pools->table.count == 0);
    table_free(&pools->table);
    tallies_close(pools);
    pools_holds_free(pools);
    pthread_mutex_destroy(&pools->lock);
}

static uint64_t key_hash(const char *database, const char *user, const char *route)
{
    uint64_t hash = table_hash(database, strlen(database), 1);

    hash = table_hash(user, strlen(user), hash);
    return table_hash(route, strlen(route), hash);
}

static bool limits_set(struct pool *pool, const struct pool_options *options)
{
    struct pool_limits *limits = calloc(1, sizeof *limits);

    if (limits == NULL)
        return false;
    limits->options = *options;
    limits->older = atomic_load(&pool->limits);
    atomic_store(&pool->limits, limits);
    return true;
}

static void shard_init(struct pool_shard *shard, struct pool *pool, struct pool_thread *thread)
{
    shard->pool = pool;
    shard->thread = thread;
    list_init(&shard->in_thread);
    list_init(&shard->waiters);
    for (int i = 0; i < SERVER_STATES; i++)
        list_init(&shard->states[i]);
    atomic_init(&shard->oldest_us, UINT64_MAX);
}

static void pool_free(struct pool *pool)
{
    struct pool_limits *limits = atomic_load(&pool->limits), *older;

    if (atomic_load(&pool->catalog) != NULL)
        pool_catalog_free(pool);
    for (; limits != NULL; limits = older) {
        older = limits->older;
        free(limits);
    }
    pool_budget_close(pool);
    credentials_wipe(&pool->credentials);
    profiles_close(&pool->profiles);
    pthread_mutex_destroy(&pool->lock);
    free(pool->database);
    free(pool->user);
    free(pool->route);
    free(pool);
}

static struct pool *pool_new(struct pools *pools, const char *database, const char *user,
                             const struct route_options *route, struct upstream *upstream)
{
    size_t shards = (size_t)pools->thread_count * sizeof(struct pool_shard);
    struct pool *pool = calloc(1, sizeof *pool + shards);

    if (pool == NULL)
        return NULL;
    pool->pools = pools;
    pool->upstream = upstream;
    pool->database = strdup(database);
    pool->user = strdup(user);
    pool->route = strdup(route->name);
    pthread_mutex_init(&pool->lock, NULL);
    profiles_open(&pool->profiles);
    for (int i = 0; i < pools->thread_count; i++)
        shard_init(&pool->shards[i], pool, pools->threads[i]);
    if (pool->database == NULL || pool->user == NULL || pool->route == NULL ||
        !limits_set(pool, &route->pool)) {
        pool_free(pool);
        return NULL;
    }
    return pool;
}

static struct pool *pools_find(struct pools *pools, uint64_t hash, const char *database, const char *user,
                               const char *route, const struct upstream *upstream)
{
    for (struct table_link *link = table_find(&pools->table, hash); link != NULL; link = table_next(link)) {
        struct pool *pool = table_entry(link, struct pool, link);

        if (strcmp(pool->database, database) == 0 && strcmp(pool->user, user) == 0 &&
            strcmp(pool->route, route) == 0 && pool->upstream == upstream)
            return pool;
    }
    return NULL;
}

struct pool *pools_get(struct pools *pools, const char *database, const char *user,
                       const struct route_options *route, struct upstream *upstream)
{
    uint64_t hash = key_hash(database, user, route->name);
    struct pool *pool;

    pthread_mutex_lock(&pools->lock);
    pool = pools_find(pools, hash, database, user, route->name, upstream);
    if (pool == NULL) {
        pool = pool_new(pools, database, user, route, upstream);
        if (pool != NULL)
            pool_inherit_hold(pool);
        if (pool != NULL && !table_add(&pools->table, &pool->link, hash)) {
            pool_free(pool);
            pool = NULL;
        }
    }
    if (pool != NULL)
        atomic_fetch_add(&pool->references, 1);
    pthread_mutex_unlock(&pools->lock);
    return pool;
}

static const struct route_options *route_named(const struct snapshot *snapshot, const char *name)
{
    for (size_t i = 0; i < snapshot->route_count; i++)
        if (strcmp(snapshot->routes[i].name, name) == 0)
            return &snapshot->routes[i];
    return NULL;
}

void pools_reload(struct pools *pools, const struct snapshot *snapshot)
{
    pthread_mutex_lock(&pools->lock);
    for (size_t i = 0; pools->table.count > 0 && i <= pools->table.mask; i++) {
        for (struct table_link *link = pools->table.buckets[i]; link != NULL; link = link->next) {
            struct pool *pool = table_entry(link, struct pool, link);
            const struct route_options *route = route_named(snapshot, pool->route);

            if (route != NULL && memcmp(pool_options(pool), &route->pool, sizeof route->pool) != 0)
                (void)limits_set(pool, &route->pool);
        }
    }
    pthread_mutex_unlock(&pools->lock);
}

void pool_retain(struct pool *pool)
{
    int before = atomic_fetch_add(&pool->references, 1);

    CHECK(before > 0);
}

void pool_release(struct pool *pool)
{
    struct pools *pools = pool->pools;
    bool last;

    pthread_mutex_lock(&pools->lock);
    last = atomic_fetch_sub(&pool->references, 1) == 1;
    if (last) {
        table_remove(&pools->table, &pool->link);
        tally_keep(pools, pool);
    }
    pthread_mutex_unlock(&pools->lock);
    if (last)
        pool_free(pool);
}

const struct pool_options *pool_options(struct pool *pool)
{
    return &atomic_load_explicit(&pool->limits, memory_order_acquire)->options;
}

/* Servers of one age do not all go at once: each lives between 90 and 110 percent of server_lifetime. */
static uint64_t lifetime_of(const struct server *server, uint64_t lifetime_us)
{
    return lifetime_us / 10 * 9 + (server->id * 0x9e3779b97f4a7c15u >> 32) % 1000 * (lifetime_us / 5000);
}

static void publish_idle(struct pool_shard *shard)
{
    const struct list *parked = &shard->states[SERVER_PARKED];

    if (!list_empty(parked))
        atomic_store_explicit(&shard->idle_since_us, list_entry(parked->prev, struct server, link)->parked_us,
                              memory_order_relaxed);
}

static void sweep_parked(struct pool_shard *shard, const struct pool_options *options, uint64_t now_us)
{
    list_each(link, following, &shard->states[SERVER_PARKED]) {
        struct server *server = list_entry(link, struct server, link);
        bool spare = atomic_load(&shard->pool->open) > options->min_pool_size;

        if (options->server_lifetime_us > 0 &&
            now_us > server->opened_us + lifetime_of(server, options->server_lifetime_us))
            server_close(server, "server_lifetime");
        else if (!pool_keeps(server))
            server_close(server, "its host no longer serves its route");
        else if (atomic_load(&shard->pool->open) > options->default_pool_size + options->reserve_pool_size)
            server_close(server, "the pool was made smaller");
        else if (atomic_load(&shard->pool->open) > options->default_pool_size &&
                 now_us > server->parked_us + options->reserve_pool_timeout_us)
            server_close(server, "the reserve is not needed any more");
        else if (spare && options->server_idle_timeout_us > 0 &&
                 now_us > server->parked_us + options->server_idle_timeout_us)
            server_close(server, "server_idle_timeout");
    }
    publish_idle(shard);
}

static void keep_minimum(struct pool_shard *shard, const struct pool_options *options, uint64_t now_us)
{
    struct pool *pool = shard->pool;
    struct profile *usual = atomic_load(&pool->usual);

    if (usual == NULL || atomic_load(&pool->open) >= options->min_pool_size ||
        atomic_load(&pool->clients) == 0 || now_us < atomic_load(&pool->spares_at_us) ||
        !pool_spare_acquire(shard, now_us))
        return;
    pool_open_spare(shard, usual);
}

static bool shard_idle(struct pool_shard *shard)
{
    for (int i = 0; i < SERVER_STATES; i++)
        if (!list_empty(&shard->states[i]))
            return false;
    return list_empty(&shard->waiters) && atomic_load(&shard->pool->clients) == 0;
}

static void unlist(struct pool_shard *shard)
{
    list_remove(&shard->in_thread);
    shard->listed = false;
    pool_release(shard->pool);
}

static void close_all(struct list *servers)
{
    while (!list_empty(servers)) {
        struct server *server = list_entry(servers->next, struct server, link);

        if (server->login != NULL)
            connect_abandon(server);
        else
            server_close(server, "the gateway is shutting down");
    }
}

void pool_close_thread(struct pool_thread *thread)
{
    list_each(link, following, &thread->shards) {
        struct pool_shard *shard = list_entry(link, struct pool_shard, in_thread);

        for (int i = 0; i < SERVER_STATES; i++)
            close_all(&shard->states[i]);
        unlist(shard);
    }
    linger_close(thread);
}

void pool_sweep(struct pool_thread *thread, uint64_t now_us)
{
    list_each(link, following, &thread->shards) {
        struct pool_shard *shard = list_entry(link, struct pool_shard, in_thread);
        const struct pool_options *options = pool_options(shard->pool);

        connect_sweep(shard, now_us);
        sweep_parked(shard, options, now_us);
        pool_sweep_waiters(shard, now_us);
        pool_notify_waiters(shard, now_us);
        pool_budget_tidy(shard->pool);
        keep_minimum(shard, options, now_us);
        if (shard_idle(shard))
            unlist(shard);
    }
}
