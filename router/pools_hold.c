/* SPDX-License-Identifier: PostgreSQL
 * pools_hold - databases that an operator paused or disabled, and servers that are to be opened anew. */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "router/handoff.h"
#include "router/pool.h"

static struct hold *hold_find(const struct pools *pools, const char *database)
{
    for (struct hold *hold = pools->holds; hold != NULL; hold = hold->next)
        if (strcmp(hold->database, database) == 0)
            return hold;
    return NULL;
}

static struct hold *hold_get(struct pools *pools, const char *database)
{
    struct hold *hold = hold_find(pools, database);
    size_t bytes = strlen(database) + 1;

    if (hold != NULL)
        return hold;
    hold = calloc(1, sizeof *hold + bytes);
    if (hold == NULL)
        return NULL;
    memcpy(hold->database, database, bytes);
    hold->next = pools->holds;
    pools->holds = hold;
    return hold;
}

static bool is_paused(const struct pools *pools, const char *database)
{
    const struct hold *hold = hold_find(pools, database);

    return pools->all_paused || (hold != NULL && hold->paused);
}

bool pools_paused(struct pools *pools, const char *database)
{
    bool paused;

    if (!atomic_load_explicit(&pools->held, memory_order_relaxed))
        return false;
    pthread_mutex_lock(&pools->lock);
    paused = is_paused(pools, database);
    pthread_mutex_unlock(&pools->lock);
    return paused;
}

bool pools_disabled(struct pools *pools, const char *database)
{
    const struct hold *hold;
    bool disabled;

    if (!atomic_load_explicit(&pools->held, memory_order_relaxed))
        return false;
    pthread_mutex_lock(&pools->lock);
    hold = hold_find(pools, database);
    disabled = hold != NULL && hold->disabled;
    pthread_mutex_unlock(&pools->lock);
    return disabled;
}

void pool_inherit_hold(struct pool *pool)
{
    atomic_store(&pool->paused, is_paused(pool->pools, pool->database));
}

/* With the lock held: calls each(pool) for every pool of the database, NULL: of all. Returns how many. */
static size_t for_each(struct pools *pools, const char *database, void (*each)(struct pool *pool))
{
    size_t count = 0;

    for (size_t i = 0; pools->table.count > 0 && i <= pools->table.mask; i++) {
        for (struct table_link *link = pools->table.buckets[i]; link != NULL; link = link->next) {
            struct pool *pool = table_entry(link, struct pool, link);

            if (database != NULL && strcmp(pool->database, database) != 0)
                continue;
            each(pool);
            count++;
        }
    }
    return count;
}

static void apply_hold(struct pool *pool)
{
    pool_inherit_hold(pool);
    if (atomic_load(&pool->paused))
        handoff_close_idle(pool);
    else
        handoff_wake_waiting(pool);
}

bool pools_pause(struct pools *pools, const char *database, bool paused, size_t *found)
{
    struct hold *hold = NULL;
    bool known;

    pthread_mutex_lock(&pools->lock);
    if (database != NULL)
        hold = hold_get(pools, database);
    known = database == NULL || hold != NULL;
    if (hold != NULL)
        hold->paused = paused;
    if (database == NULL)
        pools->all_paused = paused;
    for (hold = pools->holds; database == NULL && !paused && hold != NULL; hold = hold->next)
        hold->paused = false;
    atomic_store(&pools->held, pools->all_paused || pools->holds != NULL);
    *found = for_each(pools, database, apply_hold);
    pthread_mutex_unlock(&pools->lock);
    return known;
}

bool pools_disable(struct pools *pools, const char *database, bool disabled)
{
    struct hold *hold;

    pthread_mutex_lock(&pools->lock);
    hold = hold_get(pools, database);
    if (hold != NULL)
        hold->disabled = disabled;
    atomic_store(&pools->held, pools->all_paused || pools->holds != NULL);
    pthread_mutex_unlock(&pools->lock);
    return hold != NULL;
}

static void renew(struct pool *pool)
{
    atomic_store(&pool->renewed_us, clock_now_us());
    handoff_close_idle(pool);
}

size_t pools_renew(struct pools *pools, const char *database)
{
    size_t count;

    pthread_mutex_lock(&pools->lock);
    count = for_each(pools, database, renew);
    pthread_mutex_unlock(&pools->lock);
    return count;
}

void pools_holds_free(struct pools *pools)
{
    while (pools->holds != NULL) {
        struct hold *hold = pools->holds;

        pools->holds = hold->next;
        free(hold);
    }
}
