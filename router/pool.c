/* SPDX-License-Identifier: PostgreSQL
 * pool - the servers of one database, user and route, shared by all workers: taking, giving, waiting. */
#include "router/pool.h"

#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/fault.h"
#include "gateway/base/log.h"
#include "router/connect.h"
#include "router/handoff.h"
#include "router/pool_budget.h"
#include "router/pool_hosts.h"
#include "router/pool_wait.h"

/* After PostgreSQL asked for a password that nobody here has, only logins of clients bring servers. */
enum { NO_PASSWORD_RETRY_US = 10000000 };

struct pool_shard *pool_shard(struct pool *pool, struct pool_thread *thread)
{
    struct pool_shard *shard = &pool->shards[thread->index];

    if (!shard->listed) {
        shard->listed = true;
        pool_retain(pool);
        list_append(&thread->shards, &shard->in_thread);
    }
    return shard;
}

static bool slot_acquire(struct pool_shard *shard, bool spare, uint64_t now_us)
{
    struct pool *pool = shard->pool;
    int limit = pool_size_now(pool, now_us);
    int open = atomic_load(&pool->open);

    if (open >= limit || now_us < atomic_load_explicit(&pool->retry_at_us, memory_order_relaxed) ||
        atomic_load_explicit(&pool->paused, memory_order_relaxed))
        return false;
    if (spare ? !pool_budget_try(shard, now_us) : !pool_budget_take(shard, SHARE_POOLED, now_us))
        return false;
    while (open < limit)
        if (atomic_compare_exchange_weak(&pool->open, &open, open + 1)) {
            if (open >= pool_options(pool)->default_pool_size)
                atomic_fetch_add_explicit(&pool->reserves, 1, memory_order_relaxed);
            return true;
        }
    budget_give(&shard->thread->in_hand);
    return false;
}

bool pool_slot_acquire(struct pool_shard *shard, uint64_t now_us)
{
    return slot_acquire(shard, false, now_us);
}

bool pool_spare_acquire(struct pool_shard *shard, uint64_t now_us)
{
    return slot_acquire(shard, true, now_us);
}

static void publish_waiters(struct pool_shard *shard)
{
    uint64_t oldest = UINT64_MAX;

    if (!list_empty(&shard->waiters))
        oldest = list_entry(shard->waiters.next, struct waiter, link)->since_us;
    atomic_store(&shard->oldest_us, oldest);
}

static void queue_add(struct pool_shard *shard, struct waiter *waiter)
{
    waiter->since_us = clock_now_us();
    waiter->connecting = NULL;
    waiter->notified = false;
    list_append(&shard->waiters, &waiter->link);
    atomic_fetch_add(&shard->waiting, 1);
    publish_waiters(shard);
    atomic_fetch_add(&shard->pool->waiting, 1);
}

static void queue_remove(struct pool_shard *shard, struct waiter *waiter)
{
    list_remove(&waiter->link);
    atomic_fetch_sub(&shard->waiting, 1);
    publish_waiters(shard);
    atomic_fetch_sub(&shard->pool->waiting, 1);
}

static void grant(struct pool_shard *shard, struct waiter *waiter, struct server *server)
{
    queue_remove(shard, waiter);
    pool_note_wait(shard, clock_now_us() - waiter->since_us);
    if (server != NULL)
        server_enter(server, SERVER_ACTIVE);
    waiter->granted(waiter, server);
}

static void refuse(struct pool_shard *shard, struct waiter *waiter, const struct login_failure *failure)
{
    queue_remove(shard, waiter);
    waiter->failed(waiter, failure->fault, failure->message, failure->bytes);
}

/* Closes the longest idle parked server of this shard but keeps its place in the pool for the caller. Not
 * where the budget is short: then what is given up goes to whoever waits longest. */
static bool slot_by_eviction(struct pool_shard *shard, uint64_t now_us)
{
    struct list *parked = &shard->states[SERVER_PARKED];
    struct server *server;

    if (list_empty(parked) || pool_budget_waits(shard->pool))
        return false;
    server = list_entry(parked->prev, struct server, link);
    list_each(link, following, parked)
        if (list_entry(link, struct server, link)->marked_for != 0)
            server = list_entry(link, struct server, link);
    CHECK(server->counted);
    server->counted = false;
    server_close(server, "its slot is needed for a session that it does not fit");
    if (pool_budget_take(shard, SHARE_POOLED, now_us))
        return true;
    atomic_fetch_sub(&shard->pool->open, 1);
    return false;
}

static void login_ready(struct server *server, void *owner, const struct login_parameters *parameters)
{
    struct pool_shard *shard = server->shard;
    struct waiter *waiter = owner;

    profile_set_welcome(&shard->pool->profiles, server->profile, parameters->bytes, parameters->length,
                        server->epoch);
    pool_forget_failure(shard->pool);
    server_watch_parked(server);
    if (waiter == NULL) {
        shard->connecting--;
        server_enter(server, SERVER_PARKED);
        pool_give(server);
        return;
    }
    waiter->connecting = NULL;
    grant(shard, waiter, server);
}

bool pool_is_passing(const char *sqlstate)
{
    return strncmp(sqlstate, "08", 2) == 0 || strncmp(sqlstate, "53", 2) == 0 ||
           strncmp(sqlstate, "57P", 3) == 0 || strncmp(sqlstate, "58", 2) == 0;
}

void pool_note_failure(struct pool *pool, const struct fault *fault)
{
    if (strncmp(fault->sqlstate, "08", 2) == 0 && upstream_addresses(pool->upstream) > 1)
        atomic_fetch_add(&pool->upstream->next_host, 1);
    if (pool->claims[0].budget == NULL || !budget_is_refusal(fault->sqlstate)) /* the ledger says when */
        atomic_store(&pool->retry_at_us, clock_now_us() + pool_retry_us(pool, fault));
    log_warn("pool", "pool=%s/%s could not open a server connection: %s: %s", pool->database, pool->user,
             fault->sqlstate, fault->message);
    pthread_mutex_lock(&pool->lock);
    pool->last_failure = *fault;
    pthread_mutex_unlock(&pool->lock);
}

void pool_forget_failure(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->last_failure.message[0] = '\0';
    pthread_mutex_unlock(&pool->lock);
}

/* The password was changed since the last login here. Sessions need not end of that while the pool has other
 * servers, and the next login brings the new one. */
static bool is_outdated(const struct login_failure *failure)
{
    return strcmp(failure->fault->sqlstate, "28P01") == 0 &&
           atomic_load(&failure->profile->welcome) != NULL && atomic_load(&failure->shard->pool->open) > 1;
}

/* PostgreSQL refused what the clients of this profile ask for in their startup packets (classes 22 and 42),
 * which is no trouble of the pool's: others need not wait for that, nor the next one who asks for it. */
static bool is_of_profile(const struct login_failure *failure)
{
    const char *sqlstate = failure->fault->sqlstate;

    return failure->message != NULL && failure->profile->count > 0 &&
           (strncmp(sqlstate, "22", 2) == 0 || strncmp(sqlstate, "42", 2) == 0);
}

/* A passing trouble leaves everybody waiting and tries again; PostgreSQL's "no" is told to those it concerns.
 */
static void login_failed(const struct login_failure *failure, void *owner)
{
    const struct fault *fault = failure->fault;
    struct pool_shard *shard = failure->shard;
    struct pool *pool = shard->pool;
    struct waiter *alone = owner;
    bool passing = pool_is_passing(fault->sqlstate);

    if (alone != NULL)
        alone->connecting = NULL;
    else
        shard->connecting--;
    if (!passing && failure->message == NULL && atomic_load(&pool->open) > 1 && alone == NULL) {
        /* no password here: servers that clients brought along still serve */
        atomic_store(&pool->own_login_at_us, clock_now_us() + NO_PASSWORD_RETRY_US);
        atomic_store(&pool->no_password, true);
        return;
    }
    if (!is_of_profile(failure))
        pool_note_failure(pool, fault);
    if (passing)
        return;
    if (alone != NULL) {
        refuse(shard, alone, failure);
        return;
    }
    if (is_outdated(failure))
        return;
    list_each(link, following, &shard->waiters) {
        struct waiter *waiter = list_entry(link, struct waiter, link);

        if (waiter->want == WANT_POOLED && waiter->profile == failure->profile)
            refuse(shard, waiter, failure);
    }
}

static const struct login_events login_events = {.ready = login_ready, .failed = login_failed};

static void open_for(struct pool_shard *shard, struct waiter *waiter, bool counted)
{
    bool alone = waiter->want == WANT_FRESH;
    struct server *server;

    if (!alone)
        shard->connecting++;
    server = connect_start(shard, waiter->profile, alone || waiter->named ? waiter->startup_name : "",
                           counted, &login_events, alone ? waiter : NULL);
    if (server == NULL || !alone)
        return;
    server->dedicated = true;
    if (!counted)
        atomic_fetch_add(&shard->pool->uncounted, 1);
    waiter->connecting = server;
}

void pool_open_spare(struct pool_shard *shard, struct profile *profile)
{
    shard->connecting++;
    (void)connect_start(shard, profile, "", true, &login_events, NULL);
}

/* One waiter; false when it must go on waiting and those behind it need not be looked at. */
static bool serve_one(struct pool_shard *shard, struct waiter *waiter, int *on_their_way)
{
    uint64_t now_us = clock_now_us();
    struct server *server;

    if (waiter->connecting != NULL)
        return true;
    if (waiter->want == WANT_FRESH && waiter->uncounted) {
        if (now_us >= atomic_load(&shard->pool->retry_at_us) && !atomic_load(&shard->pool->paused) &&
            pool_budget_take(shard, SHARE_DIRECT, now_us))
            open_for(shard, waiter, false);
        return true;
    }
    if (waiter->want == WANT_POOLED) {
        server = pool_fit(shard, waiter);
        if (server != NULL) {
            grant(shard, waiter, server);
            return true;
        }
        if (*on_their_way > 0) {
            --*on_their_way;
            return true;
        }
    }
    if (waiter->want != WANT_SLOT && now_us < atomic_load(&shard->pool->own_login_at_us))
        return true; /* a login that a client brings may still serve those behind */
    if (!pool_slot_acquire(shard, now_us)) {
        if (now_us < atomic_load(&shard->pool->retry_at_us) || atomic_load(&shard->pool->paused))
            return false;
        if ((waiter->want != WANT_SLOT && atomic_load(&shard->pool->no_password)) ||
            !slot_by_eviction(shard, now_us)) {
            handoff_ask(shard);
            return false;
        }
    }
    if (waiter->want == WANT_SLOT)
        grant(shard, waiter, NULL);
    else
        open_for(shard, waiter, true);
    return true;
}

void pool_serve(struct pool_shard *shard)
{
    int on_their_way = shard->connecting;

    if (shard->serving) {
        shard->serve_again = true;
        return;
    }
    shard->serving = true;
    do {
        shard->serve_again = false;
        on_their_way = shard->connecting;
        list_each(link, following, &shard->waiters) {
            if (!serve_one(shard, list_entry(link, struct waiter, link), &on_their_way))
                break;
            if (shard->serve_again)
                break;
        }
    } while (shard->serve_again);
    shard->serving = false;
}

struct server *pool_take(struct pool_shard *shard, struct waiter *waiter)
{
    struct server *server;

    if (waiter->want == WANT_POOLED && list_empty(&shard->waiters)) {
        server = pool_fit(shard, waiter);
        if (server != NULL) {
            server_enter(server, SERVER_ACTIVE);
            return server;
        }
    }
    (void)pool_shard(shard->pool, shard->thread);
    queue_add(shard, waiter);
    pool_serve(shard);
    return NULL;
}

/* An operator said so. */
static bool is_unwanted(const struct server *server)
{
    const struct pool *pool = server->shard->pool;

    return atomic_load_explicit(&pool->paused, memory_order_relaxed) ||
           server->opened_us < atomic_load_explicit(&pool->renewed_us, memory_order_relaxed);
}

void pool_give(struct server *server)
{
    struct pool_shard *shard = server->shard;

    server_watch_parked(server);
    stream_resume(&server->stream); /* an idle server is always listened to */
    server->client = NULL;
    server->parked_us = shard->thread->now_us;
    if (server->state != SERVER_PARKED)
        server_enter(server, SERVER_PARKED);
    if (is_unwanted(server)) {
        server_close(server, "RECONNECT or PAUSE");
        return;
    }
    if (atomic_load_explicit(&shard->pool->owes_until_us, memory_order_relaxed) != 0 &&
        pool_budget_pays(server))
        return;
    if (!pool_keeps(server)) {
        server_close(server, "its host no longer serves its route");
        return;
    }
    if (atomic_load(&shard->pool->waiting) == 0) {
        if (shard->thread->now_us < atomic_load_explicit(&shard->pool->spares_at_us, memory_order_relaxed))
            server_close(server, "its database is wanted without sessions");
        return;
    }
    if (handoff_owed_elsewhere(shard))
        return;
    if (list_empty(&shard->waiters))
        handoff_share(shard);
    else
        pool_serve(shard);
}

void pool_leave(struct pool_shard *shard, struct waiter *waiter)
{
    struct server *connecting = waiter->connecting;

    queue_remove(shard, waiter);
    waiter->connecting = NULL;
    if (connecting != NULL)
        connect_abandon(connecting);
}

void pool_slot_free(struct pool_shard *shard)
{
    if (atomic_load(&shard->pool->waiting) == 0)
        return;
    if (!list_empty(&shard->waiters))
        pool_serve(shard);
    else
        handoff_wake_oldest(shard->pool, shard);
}
