/* SPDX-License-Identifier: PostgreSQL
 * evict - makes room in the budget. */
#include "router/evict.h"

#include "gateway/base/clock.h"
#include "router/handoff.h"
#include "router/pool.h"

/* An evicted connection is gone within this, or another one is tried; for as long a busy pool keeps its
 * servers while another has waited; and for so long a pool's debt holds. */
enum { EVICTION_US = 100000, SLICE_US = 50000, DEBT_US = 1000000 };

/* Who is to give up a server. */
struct search {
    struct budget *budget;
    const struct budget_claim *claim; /* NULL: whoever */
    struct pool *claimant;            /* NULL: no pool */
    struct pool_shard *idlest;        /* with the longest idle server */
    uint64_t idle_since_us;
    struct pool *richest;             /* with the most servers, all of them busy */
    int most;
};

/* Whether a server of this pool would help. */
static bool concerns(const struct search *search, struct pool *pool)
{
    const struct budget_claim *own = &pool->claims[0], *claim = search->claim;
    bool concerned;

    pthread_mutex_lock(&pool->lock);
    concerned = own->budget == search->budget;
    if (concerned && claim != NULL && atomic_load(&claim->denial) == DENIAL_PARTY) {
        int kind = atomic_load(&claim->short_of);

        concerned = own->parties[kind] == claim->parties[kind];
    }
    pthread_mutex_unlock(&pool->lock);
    return concerned;
}

static void look_at_shard(struct search *search, struct pool_shard *shard)
{
    uint64_t since_us = atomic_load(&shard->idle_since_us);

    if (atomic_load(&shard->parked) == 0)
        return;
    if (search->idlest != NULL && since_us >= search->idle_since_us)
        return;
    search->idlest = shard;
    search->idle_since_us = since_us;
}

/* Idle servers that somebody of their own pool waits for are not idle for long; what does not fit those who
 * wait is the pool's own to give up. */
static void look_at(struct search *search, struct pool *pool)
{
    int open = atomic_load(&pool->open);

    if (open == 0 || !concerns(search, pool))
        return;
    if (pool == search->claimant || atomic_load(&pool->waiting) == 0)
        for (int i = 0; i < pool->pools->thread_count; i++)
            look_at_shard(search, &pool->shards[i]);
    if (pool != search->claimant && open > search->most) {
        search->richest = pool;
        search->most = open;
    }
}

static void each_pool(struct pools *pools, void (*see)(struct search *, struct pool *), struct search *search)
{
    for (size_t i = 0; pools->table.count > 0 && i <= pools->table.mask; i++)
        for (struct table_link *link = pools->table.buckets[i]; link != NULL; link = link->next)
            see(search, table_entry(link, struct pool, link));
}

/* Between pools that are all busy: one with fewer gets from the one with most, and one without any gets from
 * any, after it has waited for a while. */
static bool may_press(const struct search *search, uint64_t now_us)
{
    int own = search->claimant == NULL ? 0 : atomic_load(&search->claimant->open);

    if (search->richest == NULL)
        return false;
    if (search->claim == NULL)
        return true;
    if (search->claimant == NULL || now_us < atomic_load(&search->claim->since_us) + SLICE_US)
        return false;
    return own == 0 || search->most > own + 1;
}

static void evict(struct pools *pools, struct search *search, uint64_t now_us)
{
    if (now_us < atomic_load(&search->budget->evicting_us))
        return;
    pthread_mutex_lock(&pools->lock);
    each_pool(pools, look_at, search);
    if (search->idlest != NULL) {
        atomic_store(&search->budget->evicting_us, now_us + EVICTION_US);
        atomic_fetch_add(&search->budget->evictions, 1);
        handoff_evict(search->idlest);
    } else if (may_press(search, now_us) && now_us > atomic_load(&search->richest->owes_until_us)) {
        atomic_store(&search->budget->evicting_us, now_us + EVICTION_US);
        atomic_store(&search->richest->owes_until_us, now_us + DEBT_US);
    }
    pthread_mutex_unlock(&pools->lock);
}

void evict_for(struct pools *pools, struct budget_claim *claim, struct pool *claimant, uint64_t now_us)
{
    struct search search = {.budget = claim->budget, .claim = claim, .claimant = claimant};

    int denial = atomic_load(&claim->denial);

    if (claim->budget != NULL && denial != DENIAL_RESTING && denial != DENIAL_NONE)
        evict(pools, &search, now_us);
}

void evict_excess(struct pools *pools, struct budget *budget, uint64_t now_us)
{
    struct search search = {.budget = budget};

    if (budget_excess(budget) > 0)
        evict(pools, &search, now_us);
}

void evict_survey(struct pools *pools, struct budget *budget, int *idle, int *wanted)
{
    const struct search search = {.budget = budget};

    *idle = *wanted = 0;
    pthread_mutex_lock(&pools->lock);
    for (size_t i = 0; pools->table.count > 0 && i <= pools->table.mask; i++) {
        for (struct table_link *link = pools->table.buckets[i]; link != NULL; link = link->next) {
            struct pool *pool = table_entry(link, struct pool, link);
            int room = pool_options(pool)->default_pool_size - atomic_load(&pool->open);
            int waiting = atomic_load(&pool->waiting);

            if (!concerns(&search, pool))
                continue;
            for (int shard = 0; shard < pools->thread_count; shard++)
                *idle += atomic_load(&pool->shards[shard].parked);
            *wanted += waiting < room ? waiting : room > 0 ? room : 0;
        }
    }
    pthread_mutex_unlock(&pools->lock);
}
