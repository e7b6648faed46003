/* SPDX-License-Identifier: PostgreSQL
 * tally - what was counted for a database, user and route, also by pools that were forgotten since. */
#include "router/tally.h"

#include <stdlib.h>
#include <string.h>

#include "router/pools.h"

static bool is_of(const struct tally *tally, const struct pool *pool)
{
    return strcmp(tally->database, pool->database) == 0 && strcmp(tally->user, pool->user) == 0 &&
           strcmp(tally->route, pool->route) == 0;
}

static struct tally *tally_find(const struct pools *pools, const struct pool *pool)
{
    for (struct table_link *link = table_find(&pools->tallies, pool->link.hash); link != NULL;
         link = table_next(link))
        if (is_of(table_entry(link, struct tally, link), pool))
            return table_entry(link, struct tally, link);
    return NULL;
}

static void add(struct tally *sum, const struct pool *pool, int shards)
{
    for (int i = 0; i < shards; i++) {
        sum->transactions += atomic_load(&pool->shards[i].transactions);
        sum->queries += atomic_load(&pool->shards[i].queries);
        sum->wait_us += atomic_load(&pool->shards[i].wait_us);
    }
    sum->pinnings += atomic_load(&pool->pinnings);
    sum->refusals += atomic_load(&pool->refusals);
    for (enum pin_reason reason = 0; reason < PIN_REASONS; reason++)
        sum->pins[reason] += atomic_load(&pool->pins[reason]);
}

static struct tally *tally_new(struct pools *pools, const struct pool *pool)
{
    size_t database = strlen(pool->database) + 1, user = strlen(pool->user) + 1;
    struct tally *tally = calloc(1, sizeof *tally + database + user + strlen(pool->route) + 1);
    char *names = (char *)(tally + 1);

    if (tally == NULL)
        return NULL;
    tally->database = strcpy(names, pool->database);
    tally->user = strcpy(names + database, pool->user);
    tally->route = strcpy(names + database + user, pool->route);
    if (table_add(&pools->tallies, &tally->link, pool->link.hash))
        return tally;
    free(tally);
    return NULL;
}

void tally_keep(struct pools *pools, struct pool *pool)
{
    struct tally *kept = tally_find(pools, pool), sum = {0};

    add(&sum, pool, pools->thread_count);
    if (kept == NULL && sum.queries + sum.transactions > 0)
        kept = tally_new(pools, pool);
    if (kept != NULL)
        add(kept, pool, pools->thread_count);
}

/* Pools without a tally, which have all their numbers themselves. */
static void each_new(struct pools *pools, void (*each)(const struct tally *tally, void *owner), void *owner)
{
    for (size_t i = 0; pools->table.count > 0 && i <= pools->table.mask; i++) {
        for (struct table_link *link = pools->table.buckets[i]; link != NULL; link = link->next) {
            const struct pool *pool = table_entry(link, struct pool, link);
            struct tally sum = {.database = pool->database, .user = pool->user, .route = pool->route};

            if (tally_find(pools, pool) != NULL)
                continue;
            add(&sum, pool, pools->thread_count);
            each(&sum, owner);
        }
    }
}

/* With those of the pools that are there again. */
static struct tally tally_now(const struct pools *pools, const struct tally *kept)
{
    struct tally sum = *kept;

    for (struct table_link *link = table_find(&pools->table, kept->link.hash); link != NULL;
         link = table_next(link))
        if (is_of(kept, table_entry(link, struct pool, link)))
            add(&sum, table_entry(link, struct pool, link), pools->thread_count);
    return sum;
}

void tally_each(struct pools *pools, void (*each)(const struct tally *tally, void *owner), void *owner)
{
    pthread_mutex_lock(&pools->lock);
    each_new(pools, each, owner);
    for (size_t i = 0; pools->tallies.count > 0 && i <= pools->tallies.mask; i++) {
        for (struct table_link *link = pools->tallies.buckets[i]; link != NULL; link = link->next) {
            struct tally sum = tally_now(pools, table_entry(link, struct tally, link));

            each(&sum, owner);
        }
    }
    pthread_mutex_unlock(&pools->lock);
}

void tallies_close(struct pools *pools)
{
    for (struct table_link *link; (link = table_pop(&pools->tallies)) != NULL;)
        free(table_entry(link, struct tally, link));
    table_free(&pools->tallies);
}
