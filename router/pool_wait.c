/* SPDX-License-Identifier: PostgreSQL
 * pool_wait - what becomes of those who wait for a server. */
#include "router/pool_wait.h"

#include "router/pools.h"

static uint64_t oldest_us(struct pool *pool)
{
    uint64_t oldest = UINT64_MAX;

    for (int i = 0; i < pool->pools->thread_count; i++) {
        uint64_t since = atomic_load(&pool->shards[i].oldest_us);

        oldest = since < oldest ? since : oldest;
    }
    return oldest;
}

int pool_size_now(struct pool *pool, uint64_t now_us)
{
    const struct pool_options *options = pool_options(pool);
    uint64_t since_us;

    if (options->reserve_pool_size == 0 || options->reserve_pool_timeout_us == 0 ||
        atomic_load(&pool->open) < options->default_pool_size)
        return options->default_pool_size;
    since_us = oldest_us(pool);
    if (since_us == UINT64_MAX || now_us < since_us + options->reserve_pool_timeout_us)
        return options->default_pool_size;
    return options->default_pool_size + options->reserve_pool_size;
}

uint64_t pool_rank(struct pool *pool)
{
    uint64_t since_us = oldest_us(pool), credit_us = (uint64_t)pool_options(pool)->priority * 1000000;

    if (since_us == UINT64_MAX)
        return UINT64_MAX;
    return since_us > credit_us ? since_us - credit_us : 0;
}

void pool_notify_waiters(struct pool_shard *shard, uint64_t now_us)
{
    uint64_t limit_us = pool_options(shard->pool)->query_wait_notify_us;

    if (limit_us == 0)
        return;
    list_each(link, following, &shard->waiters) {
        struct waiter *waiter = list_entry(link, struct waiter, link);

        if (now_us < waiter->since_us + limit_us)
            return;
        if (waiter->queued != NULL && !waiter->notified)
            waiter->queued(waiter, now_us - waiter->since_us);
        waiter->notified = true;
    }
}
