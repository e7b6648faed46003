/* SPDX-License-Identifier: PostgreSQL
 * pool_wait - what becomes of those who wait for a server. */
#include "router/pool_wait.h"

#include "gateway/base/fault.h"
#include "router/pool.h"
#include "router/pool_budget.h"

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

/* What a client reads whose wait was in vain: the cause, if PostgreSQL cannot be reached, or who has it all.
 */
static void explain_wait(struct pool *pool, const struct pool_options *options, struct fault *fault)
{
    unsigned long long limit_ms = options->query_wait_timeout_us / 1000;
    struct fault cause;

    pthread_mutex_lock(&pool->lock);
    cause = pool->last_failure;
    pthread_mutex_unlock(&pool->lock);
    if (atomic_load(&pool->paused)) {
        fault_set(fault, "57P03", "query_wait_timeout: the database is paused, and was for %llu ms",
                  limit_ms);
        fault_hint(fault, "An operator paused it; RESUME on the console lets it go on.");
        return;
    }
    if (cause.message[0] != '\0') {
        fault_set(fault, "53300",
                  "query_wait_timeout: no server connection could be opened within %llu ms: %.300s", limit_ms,
                  cause.message);
        fault_hint(fault, "Is PostgreSQL running there, and does it let this user in?");
        return;
    }
    fault_set(fault, "53300", "query_wait_timeout: no server connection became free within %llu ms",
              limit_ms);
    if (pool_budget_waits(pool))
        fault_hint(fault, "PostgreSQL has no more connections to give; SHOW BUDGET tells who has them.");
    else
        fault_hint(fault, "All %d server connections of this pool are in use; shorten transactions, or raise "
                   "default_pool_size or query_wait_timeout.", options->default_pool_size);
}

void pool_sweep_waiters(struct pool_shard *shard, uint64_t now_us)
{
    const struct pool_options *options = pool_options(shard->pool);
    struct fault fault;

    while (options->query_wait_timeout_us > 0 && !list_empty(&shard->waiters)) {
        struct waiter *waiter = list_entry(shard->waiters.next, struct waiter, link);

        if (now_us < waiter->since_us + options->query_wait_timeout_us)
            break;
        pool_leave(shard, waiter);
        explain_wait(shard->pool, options, &fault);
        waiter->failed(waiter, &fault, NULL, 0);
    }
    if (!list_empty(&shard->waiters))
        pool_serve(shard);
}

void pool_note_wait(struct pool_shard *shard, uint64_t waited_us)
{
    atomic_fetch_add_explicit(&shard->wait_us, waited_us, memory_order_relaxed);
    if (waited_us > pool_options(shard->pool)->throttle_target_us)
        atomic_fetch_add_explicit(&shard->late, 1, memory_order_relaxed);
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
