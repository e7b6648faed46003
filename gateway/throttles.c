/* SPDX-License-Identifier: PostgreSQL
 * throttles - how fast the direct sessions of each route may move bytes, together. */
#include "gateway/throttles.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/gateway.h"
#include "gateway/worker.h"

void throttles_open(struct throttles *throttles)
{
    pthread_mutex_init(&throttles->lock, NULL);
    list_init(&throttles->bulks);
}

void throttles_close(struct throttles *throttles)
{
    while (!list_empty(&throttles->bulks)) {
        struct bulk *bulk = list_entry(throttles->bulks.next, struct bulk, link);

        list_remove(&bulk->link);
        free(bulk);
    }
    pthread_mutex_destroy(&throttles->lock);
}

static struct bulk *find(struct throttles *throttles, const char *name)
{
    list_each(link, following, &throttles->bulks) {
        struct bulk *bulk = list_entry(link, struct bulk, link);

        if (strcmp(bulk->name, name) == 0)
            return bulk;
    }
    return NULL;
}

static struct bulk *add(struct throttles *throttles, const char *name)
{
    size_t length = strlen(name) + 1;
    struct bulk *bulk = calloc(1, sizeof *bulk + length);

    if (bulk == NULL)
        return NULL;
    memcpy(bulk->name, name, length);
    list_append(&throttles->bulks, &bulk->link);
    return bulk;
}

struct bulk *throttles_enter(struct throttles *throttles, const struct route_options *route)
{
    struct bulk *bulk;

    pthread_mutex_lock(&throttles->lock);
    bulk = find(throttles, route->name);
    if (bulk == NULL)
        bulk = add(throttles, route->name);
    pthread_mutex_unlock(&throttles->lock);
    if (bulk == NULL)
        return NULL;
    atomic_fetch_add(&bulk->sessions, 1);
    if (route->pool.max_rate > 0)
        throttle_set(&bulk->throttle, route->pool.max_rate, clock_now_us());
    return bulk;
}

void throttles_leave(struct bulk *bulk)
{
    atomic_fetch_sub(&bulk->sessions, 1);
}

static const struct pool_options *options_of(const struct snapshot *snapshot, const struct bulk *bulk)
{
    for (size_t i = 0; i < snapshot->route_count; i++)
        if (strcmp(snapshot->routes[i].name, bulk->name) == 0)
            return &snapshot->routes[i].pool;
    return &snapshot->defaults;
}

static bool is_adaptive(const struct snapshot *snapshot, const struct bulk *bulk)
{
    return options_of(snapshot, bulk)->max_rate == RATE_ADAPTIVE && atomic_load(&bulk->sessions) > 0;
}

static bool any_is_adaptive(struct throttles *throttles, const struct snapshot *snapshot)
{
    list_each(link, following, &throttles->bulks)
        if (is_adaptive(snapshot, list_entry(link, struct bulk, link)))
            return true;
    return false;
}

/* What the pools' clients did since they were made: transactions, and waits beyond throttle_target. Those
 * that have been waiting for so long and still do are late already. */
static void add_waits(struct pool *pool, uint64_t now_us, uint64_t *transactions, uint64_t *late,
                      uint64_t *still)
{
    uint64_t target_us = pool_options(pool)->throttle_target_us;

    for (int i = 0; i < pool->pools->thread_count; i++) {
        struct pool_shard *shard = &pool->shards[i];
        uint64_t oldest_us = atomic_load(&shard->oldest_us);

        *transactions += atomic_load_explicit(&shard->transactions, memory_order_relaxed);
        *late += atomic_load_explicit(&shard->late, memory_order_relaxed);
        if (oldest_us != UINT64_MAX && now_us > oldest_us + target_us)
            *still += (uint64_t)atomic_load(&shard->waiting);
    }
}

/* Whether more than one in a hundred had to wait for longer than throttle_target since the last call. */
static bool others_wait(struct gateway *gateway, uint64_t now_us)
{
    uint64_t transactions = 0, late = 0, still = 0, late_now, done_now;
    struct throttles *throttles = &gateway->throttles;
    struct pools *pools = &gateway->pools;

    pthread_mutex_lock(&pools->lock);
    for (size_t i = 0; pools->table.count > 0 && i <= pools->table.mask; i++)
        for (struct table_link *link = pools->table.buckets[i]; link != NULL; link = link->next)
            add_waits(table_entry(link, struct pool, link), now_us, &transactions, &late, &still);
    pthread_mutex_unlock(&pools->lock);
    /* a pool that was forgotten takes its numbers along */
    late_now = late > throttles->seen_late ? late - throttles->seen_late : 0;
    done_now = transactions > throttles->seen_transactions ? transactions - throttles->seen_transactions : 0;
    throttles->seen_late = late;
    throttles->seen_transactions = transactions;
    return (late_now + still) * 100 > done_now + still;
}

static void measure(struct bulk *bulk, uint64_t elapsed_us, int64_t *moved)
{
    uint64_t bytes = atomic_load(&bulk->throttle.bytes), since = bytes - bulk->seen_bytes;

    /* a grant that was given back may make it run backwards for a moment */
    *moved = bytes > bulk->seen_bytes ? (int64_t)(since * 1000000 / elapsed_us) : 0;
    bulk->seen_bytes = bytes;
    atomic_store(&bulk->moved, (atomic_load(&bulk->moved) * 3 + *moved) / 4);
}

/* So many bytes a second moved, and others wait, or not. */
static int64_t rate_of(struct bulk *bulk, const struct pool_options *options, bool wait, int64_t moved)
{
    if (options->max_rate == RATE_ADAPTIVE)
        return pace_adapt(&bulk->pace, wait, moved, options->min_rate_bytes);
    bulk->pace = (struct pace){0};
    return options->max_rate;
}

void throttles_sweep(struct worker *worker, uint64_t now_us)
{
    const struct snapshot *snapshot = worker->generation->snapshot;
    struct throttles *throttles = &worker->gateway->throttles;
    uint64_t elapsed_us = now_us - throttles->swept_us;
    bool wait;

    if (worker->thread.index != 0 || elapsed_us < PACE_INTERVAL_US / 2)
        return;
    throttles->swept_us = now_us;
    pthread_mutex_lock(&throttles->lock);
    wait = any_is_adaptive(throttles, snapshot) && others_wait(worker->gateway, now_us);
    list_each(link, following, &throttles->bulks) {
        struct bulk *bulk = list_entry(link, struct bulk, link);
        int64_t moved, before = atomic_load(&bulk->throttle.rate);

        measure(bulk, elapsed_us, &moved);
        throttle_set(&bulk->throttle, rate_of(bulk, options_of(snapshot, bulk), wait, moved), now_us);
        if (before == 0 && bulk->pace.rate != 0)
            atomic_fetch_add(&worker->gateway->counters.bulk_yields, 1);
    }
    pthread_mutex_unlock(&throttles->lock);
}
