/* SPDX-License-Identifier: PostgreSQL
 * pool_budget - a pool's dealings with the ledger of the PostgreSQL server that it connects to. */
#include "router/pool_budget.h"

#include "router/evict.h"
#include "router/pool.h"
#include "router/pool_hosts.h"

/* A server that was opened for a pool serves it for so long at least, so that pools that take turns do more
 * than connecting. */
enum { TURN_US = 200000 };

/* Of the host that the next connection goes to; NULL when none is kept or no address is known. */
static struct budget *budget_next(struct pool *pool)
{
    struct wish wish = pool_wish(pool);
    struct upstream_place place;
    struct fault fault;

    return upstream_place(pool->upstream, &wish, 0, &place, &fault) ? place.host->budget : NULL;
}

static struct budget_claim *claim_for(struct pool *pool, enum share share)
{
    return &pool->claims[share == SHARE_DIRECT];
}

/* With the pool's lock. After a fail-over the claim goes to another ledger. */
static bool claim_ready(struct pool *pool, enum share share, struct budget *budget)
{
    const char *const names[PARTIES] = {pool->route, pool->database, pool->user};
    struct budget_claim *claim = claim_for(pool, share);

    if (claim->budget != budget) {
        budget_claim_close(claim);
        if (!budget_claim_open(claim, budget, share, names))
            return false;
    }
    atomic_store(&claim->credit_us, (uint64_t)pool_options(pool)->priority * 1000000);
    return true;
}

/* With or without a place in the queue. */
static bool take(struct pool_shard *shard, enum share share, bool queue, uint64_t now_us)
{
    struct pool *pool = shard->pool;
    const struct pool_options *options = pool_options(pool);
    const int limits[PARTIES] = {options->max_route_connections, options->max_db_connections,
                                 options->max_user_connections};
    struct budget_slot *in_hand = &shard->thread->in_hand;
    struct budget_claim *claim = claim_for(pool, share);
    struct budget *budget = budget_next(pool);
    bool taken;

    if (budget == NULL)
        return true;
    pthread_mutex_lock(&pool->lock);
    taken = claim_ready(pool, share, budget) && (queue ? budget_take(claim, limits, now_us, in_hand)
                                                       : budget_try(claim, limits, now_us, in_hand));
    pthread_mutex_unlock(&pool->lock);
    return taken;
}

bool pool_budget_take(struct pool_shard *shard, enum share share, uint64_t now_us)
{
    struct pool *pool = shard->pool;

    if (budget_is_denied(claim_for(pool, share), now_us))
        return false;
    if (take(shard, share, true, now_us))
        return true;
    evict_for(pool->pools, claim_for(pool, share), share == SHARE_POOLED ? pool : NULL, now_us);
    return false;
}

bool pool_budget_try(struct pool_shard *shard, uint64_t now_us)
{
    return take(shard, SHARE_POOLED, false, now_us);
}

void pool_budget_take_anyway(struct pool_shard *shard, enum share share)
{
    budget_take_anyway(budget_next(shard->pool), share, &shard->thread->in_hand);
}

bool pool_budget_waits(const struct pool *pool)
{
    return atomic_load(&pool->claims[0].queued);
}

void pool_budget_tidy(struct pool *pool)
{
    if (atomic_load(&pool->waiting) > 0)
        return;
    for (int i = 0; i < 2; i++) {
        if (!atomic_load(&pool->claims[i].queued))
            continue;
        pthread_mutex_lock(&pool->lock);
        budget_claim_withdraw(&pool->claims[i]);
        pthread_mutex_unlock(&pool->lock);
    }
}

void pool_budget_close(struct pool *pool)
{
    for (int i = 0; i < 2; i++)
        budget_claim_close(&pool->claims[i]);
}

bool pool_budget_pays(struct server *server)
{
    struct pool *pool = server->shard->pool;
    uint64_t now_us = server->shard->thread->now_us;

    if (now_us < server->opened_us + TURN_US && now_us < atomic_load(&pool->owes_until_us))
        return false;
    if (now_us > atomic_exchange(&pool->owes_until_us, 0))
        return false;
    server_close(server, "its place is needed by those who wait longer");
    return true;
}

void pool_budget_serve(struct pool_thread *thread)
{
    list_each(link, following, &thread->shards) {
        struct pool_shard *shard = list_entry(link, struct pool_shard, in_thread);

        if (!list_empty(&shard->waiters))
            pool_serve(shard);
    }
}
