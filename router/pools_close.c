/* SPDX-License-Identifier: PostgreSQL
 * pools_close - makes way for CREATE, ALTER and DROP DATABASE. */
#include <string.h>
#include <strings.h>

#include "gateway/base/clock.h"
#include "router/handoff.h"
#include "router/pool.h"

/* PostgreSQL waits for this long before it says that a database is in use. */
enum { PATIENCE_US = 5000000 };

/* Too many matches only close an idle connection too many. */
static bool mentions(const char *text, size_t length, const char *name)
{
    size_t size = strlen(name);

    for (size_t i = 0; i + size <= length; i++)
        if (strncasecmp(text + i, name, size) == 0)
            return true;
    return false;
}

static bool is_meant(const struct pool *pool, const char *text, size_t length)
{
    if (text == NULL || mentions(text, length, pool->database))
        return true;
    return strcmp(pool->database, "template1") == 0 && !mentions(text, length, "template");
}

/* text NULL: every one. */
static void close_idle(struct pools *pools, const char *text, size_t length)
{
    pthread_mutex_lock(&pools->lock);
    for (size_t i = 0; pools->table.count > 0 && i <= pools->table.mask; i++) {
        for (struct table_link *link = pools->table.buckets[i]; link != NULL; link = link->next) {
            struct pool *pool = table_entry(link, struct pool, link);

            if (!is_meant(pool, text, length))
                continue;
            atomic_store(&pool->spares_at_us, clock_now_us() + PATIENCE_US);
            handoff_close_idle(pool);
        }
    }
    pthread_mutex_unlock(&pools->lock);
}

void pools_close_idle(struct pools *pools, const char *text, size_t length)
{
    close_idle(pools, text, length);
}

void pools_close_all_idle(struct pools *pools)
{
    close_idle(pools, NULL, 0);
}

void pools_close_surplus(struct pools *pools)
{
    pthread_mutex_lock(&pools->lock);
    for (size_t i = 0; pools->table.count > 0 && i <= pools->table.mask; i++) {
        for (struct table_link *link = pools->table.buckets[i]; link != NULL; link = link->next) {
            struct pool *pool = table_entry(link, struct pool, link);
            int clients = atomic_load(&pool->clients);

            if (clients == 0)
                atomic_store(&pool->spares_at_us, clock_now_us() + PATIENCE_US);
            if (atomic_load(&pool->open) > clients)
                handoff_close_idle(pool);
        }
    }
    pthread_mutex_unlock(&pools->lock);
}
