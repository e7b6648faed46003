/* SPDX-License-Identifier: PostgreSQL
 * pool_hosts - what it means for pools that hosts change their roles: connections to a host that no longer
 * serves a route are given up between transactions, and who waits is served by another one at once. */
#include "router/pool_hosts.h"

#include <string.h>

#include "gateway/base/fault.h"
#include "router/handoff.h"
#include "router/pool.h"

/* A login at a host that went away is not waited for longer than this. */
enum { LOGIN_AT_DOWN_HOST_US = 1000000, ANOTHER_HOST_US = 100000 };

struct wish pool_wish(struct pool *pool)
{
    const struct pool_options *options = pool_options(pool);

    return (struct wish){options->target, options->max_lag_us};
}

bool pool_keeps(const struct server *server)
{
    struct pool *pool = server->shard->pool;
    struct wish wish = pool_wish(pool);

    return server->host == NULL || upstream_keeps(pool->upstream, &wish, server->host, server->host_epoch);
}

bool pool_is_former(const struct server *server)
{
    return server->host != NULL &&
           atomic_load_explicit(&server->host->epoch, memory_order_relaxed) != server->host_epoch;
}

bool pool_is_cut_off(const struct server *server)
{
    return pool_is_former(server) && atomic_load(&server->host->role) == HOST_DOWN;
}

bool pool_login_is_vain(const struct server *server, uint64_t since_us, uint64_t now_us)
{
    if (server->host == NULL || server->shard->pool->upstream->host_count == 1)
        return false;
    return !pool_keeps(server) || (atomic_load(&server->host->role) == HOST_DOWN &&
                                   now_us > since_us + LOGIN_AT_DOWN_HOST_US);
}

bool pool_takes_host(const struct server *server, enum host_said said, struct fault *fault)
{
    struct pool *pool = server->shard->pool;
    struct wish wish = pool_wish(pool);
    bool right = said == SAID_NOTHING || pool->upstream->host_count == 1 ||
                 target_allows(&wish, said == SAID_STANDBY ? HOST_STANDBY : HOST_PRIMARY, 0, false);

    if (right && pool_keeps(server))
        return true;
    return fault_set(fault, "08001", "host %s:%d is not what target = \"%s\" wants: it is a %s",
                     server->host->name, server->host->port, target_name(wish.target),
                     host_role_name(said == SAID_STANDBY ? HOST_STANDBY
                                                         : (enum host_role)atomic_load(&server->host->role)));
}

uint64_t pool_retry_us(struct pool *pool, const struct fault *fault)
{
    uint64_t retry_us = pool_options(pool)->server_login_retry_us;
    bool elsewhere = pool->upstream->host_count > 1 && strncmp(fault->sqlstate, "08", 2) == 0;

    return elsewhere && retry_us > ANOTHER_HOST_US ? ANOTHER_HOST_US : retry_us;
}

void pools_hosts_changed(struct pools *pools, const struct upstream *upstream)
{
    pthread_mutex_lock(&pools->lock);
    for (size_t i = 0; pools->table.count > 0 && i <= pools->table.mask; i++) {
        for (struct table_link *link = pools->table.buckets[i]; link != NULL; link = link->next) {
            struct pool *pool = table_entry(link, struct pool, link);

            if (pool->upstream != upstream)
                continue;
            atomic_store(&pool->retry_at_us, 0);
            handoff_wake_waiting(pool);
        }
    }
    pthread_mutex_unlock(&pools->lock);
}
