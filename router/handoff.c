/* SPDX-License-Identifier: PostgreSQL
 * handoff - the only file that moves a server from one worker to another: detach, letter, attach.
 * A shard that parks a server publishes that and then looks who waits; a shard that starts to wait publishes
 * that and then looks who has one parked. Both publish before they look, so one of them sees the other. */
#include "router/handoff.h"

#include "gateway/base/check.h"
#include "router/pool.h"

/* A freed server goes to another worker only when the client there has waited this much longer than ours:
 * below that a move costs more than it is worth. */
enum { FAIRNESS_US = 3000 };

static struct pool_shard *oldest_elsewhere(struct pool *pool, const struct pool_shard *except,
                                           uint64_t *since_us)
{
    struct pool_shard *found = NULL;

    *since_us = UINT64_MAX;
    for (int i = 0; i < pool->pools->thread_count; i++) {
        struct pool_shard *shard = &pool->shards[i];
        uint64_t since = atomic_load(&shard->oldest_us);

        if (shard != except && since < *since_us) {
            *since_us = since;
            found = shard;
        }
    }
    return found;
}

static void arrive(struct letter *letter, void *owner)
{
    struct server *server = list_entry(letter, struct server, letter);
    struct pool_shard *shard = server->shard;
    struct pool *pool = shard->pool;

    (void)owner;
    (void)pool_shard(pool, shard->thread);
    stream_attach(&server->stream, shard->thread->engine);
    server_enter(server, SERVER_PARKED);
    if (list_empty(&shard->waiters))
        handoff_share(shard);
    else
        pool_serve(shard);
    pool_release(pool);
}

static void depart(struct server *server, struct pool_shard *target)
{
    pool_retain(target->pool);
    server_enter(server, SERVER_MOVING);
    stream_detach(&server->stream);
    server->shard = target;
    server->letter.deliver = arrive;
    atomic_fetch_add_explicit(&target->pool->handoffs, 1, memory_order_relaxed);
    mailbox_send(target->thread->mailbox, &server->letter);
}

static struct server *movable(struct pool_shard *shard)
{
    list_each(link, following, &shard->states[SERVER_PARKED]) {
        struct server *server = list_entry(link, struct server, link);

        if (stream_backlog(&server->stream) == 0 && server->stream.kept_used == 0)
            return server;
    }
    return NULL;
}

void handoff_share(struct pool_shard *shard)
{
    struct pool *pool = shard->pool;
    struct pool_shard *target;
    struct server *server;
    uint64_t since_us;
    int budget;

    if (atomic_load(&pool->waiting) == 0 || !list_empty(&shard->waiters))
        return;
    target = oldest_elsewhere(pool, shard, &since_us);
    if (target == NULL)
        return;
    budget = atomic_load(&target->waiting);
    while (budget-- > 0 && (server = movable(shard)) != NULL)
        depart(server, target);
}

bool handoff_owed_elsewhere(struct pool_shard *shard)
{
    uint64_t since_us;
    struct pool_shard *target = oldest_elsewhere(shard->pool, shard, &since_us);
    struct server *server;

    if (target == NULL || list_empty(&shard->waiters))
        return false;
    if (since_us + FAIRNESS_US >= list_entry(shard->waiters.next, struct waiter, link)->since_us)
        return false;
    server = movable(shard);
    if (server == NULL)
        return false;
    depart(server, target);
    return true;
}

static void close_idle(struct pool_shard *shard)
{
    list_each(link, following, &shard->states[SERVER_PARKED])
        server_close(list_entry(link, struct server, link), "idle servers of its database are not wanted");
}

static void evict_idlest(struct pool_shard *shard)
{
    struct list *parked = &shard->states[SERVER_PARKED];

    if (!list_empty(parked))
        server_close(list_entry(parked->prev, struct server, link), "its place is needed by another pool");
}

static void look_around(struct letter *letter, void *owner)
{
    struct pool_shard *shard = list_entry(letter, struct pool_shard, want);

    (void)owner;
    atomic_store(&shard->want_pending, false);
    if (atomic_exchange(&shard->close_idle, false))
        close_idle(shard);
    if (atomic_exchange(&shard->evict, false))
        evict_idlest(shard);
    if (list_empty(&shard->waiters))
        handoff_share(shard);
    else
        pool_serve(shard);
    pool_release(shard->pool);
}

static void nudge(struct pool_shard *shard)
{
    if (atomic_exchange(&shard->want_pending, true))
        return;
    pool_retain(shard->pool);
    shard->want.deliver = look_around;
    mailbox_send(shard->thread->mailbox, &shard->want);
}

void handoff_close_idle(struct pool *pool)
{
    for (int i = 0; i < pool->pools->thread_count; i++) {
        if (atomic_load(&pool->shards[i].parked) == 0)
            continue;
        atomic_store(&pool->shards[i].close_idle, true);
        nudge(&pool->shards[i]);
    }
}

void handoff_evict(struct pool_shard *shard)
{
    atomic_store(&shard->evict, true);
    nudge(shard);
}

void handoff_wake_waiting(struct pool *pool)
{
    for (int i = 0; i < pool->pools->thread_count; i++)
        if (atomic_load(&pool->shards[i].waiting) > 0)
            nudge(&pool->shards[i]);
}

bool handoff_ask(struct pool_shard *shard)
{
    struct pool *pool = shard->pool;

    for (int i = 0; i < pool->pools->thread_count; i++) {
        struct pool_shard *other = &pool->shards[i];

        if (other == shard || atomic_load(&other->parked) == 0)
            continue;
        nudge(other);
        return true;
    }
    return false;
}

void handoff_wake_oldest(struct pool *pool, struct pool_shard *except)
{
    uint64_t since_us;
    struct pool_shard *target = oldest_elsewhere(pool, except, &since_us);

    if (target != NULL)
        nudge(target);
}
