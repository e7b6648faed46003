/* SPDX-License-Identifier: PostgreSQL
 * deadlines - the time limits of logged-in sessions. */
#include "gateway/deadlines.h"

#include "gateway/client.h"
#include "gateway/gateway.h"
#include "gateway/leaks.h"
#include "gateway/relay.h"
#include "gateway/session/owed.h"
#include "gateway/worker.h"

/* A cancel request may come before the query begins or get lost: it is repeated. What does not end for all
 * that has a PostgreSQL that does not answer any more. */
enum { CANCEL_AGAIN_US = 1000000, CANCEL_PATIENCE_US = 10000000, IDLE_LOOK_US = 1000000 };

static void nobody_waits(void *owner)
{
    (void)owner;
}

static struct counters *counters_of(const struct client *client)
{
    return &client->worker->gateway->counters;
}

static void expire(struct client *client, enum reason reason, uint64_t limit_us, const char *hint)
{
    if (client->watch.transaction_us != 0)
        leaks_end(client, reason_name(reason), client->worker->thread.now_us);
    client_expire(client, reason, limit_us, hint);
}

/* What runs has to end: first by a cancel request, then by giving up the connection. True: the session is
 * over. */
static bool stop_running(struct client *client, enum reason reason, uint64_t limit_us, uint64_t now_us)
{
    struct watch *watch = &client->watch;

    if (watch->late_us != 0 && now_us >= watch->late_us + CANCEL_PATIENCE_US) {
        client->server->retire = true;
        expire(client, reason, limit_us, "What runs was cancelled, and PostgreSQL did not react.");
        return true;
    }
    if (watch->cancelled_us != 0 && now_us < watch->cancelled_us + CANCEL_AGAIN_US)
        return false;
    if (watch->late_us == 0 && reason == REASON_QUERY_TIMEOUT)
        atomic_fetch_add_explicit(&counters_of(client)->queries_timed_out, 1, memory_order_relaxed);
    if (watch->late_us == 0)
        watch->late_us = now_us;
    watch->cancelled_us = now_us;
    client->server->session->late = reason_name(reason);
    client->server->session->late_us = limit_us;
    (void)relay_cancel(client, nobody_waits, NULL);
    return false;
}

static bool is_over(uint64_t since_us, uint64_t limit_us, uint64_t now_us)
{
    return limit_us > 0 && since_us != 0 && now_us >= since_us + limit_us;
}

static bool end_idle_transaction(struct client *client, const struct pool_options *options)
{
    atomic_fetch_add_explicit(&counters_of(client)->idle_transactions_ended, 1, memory_order_relaxed);
    expire(client, REASON_IDLE_TRANSACTION, options->idle_transaction_timeout_us,
           "Its transaction was rolled back. Commit or roll back before waiting for something else; SHOW "
           "LEAKS on the "
           "console tells what this session said last.");
    return true;
}

static bool end_transaction(struct client *client, const struct pool_options *options, uint64_t now_us)
{
    if (!client->watch.overdue)
        atomic_fetch_add_explicit(&counters_of(client)->transactions_timed_out, 1, memory_order_relaxed);
    client->watch.overdue = true;
    if (client->watch.running_us != 0)
        return stop_running(client, REASON_TRANSACTION_TIMEOUT, options->transaction_timeout_us, now_us);
    expire(client, REASON_TRANSACTION_TIMEOUT, options->transaction_timeout_us,
           "It was rolled back. Use shorter transactions, or raise transaction_timeout of the route.");
    return true;
}

/* True: the session is over. */
static bool look_at(struct client *client, const struct pool_options *options, uint64_t now_us)
{
    const struct watch *watch = &client->watch;

    watch_linked(client, now_us);
    if ((client->pins & PIN_BIT(DEDICATED)) != 0 || watch->transaction_us == 0)
        return false;
    if (!watch->reported && is_over(watch->transaction_us, options->leak_report_after_us, now_us))
        leaks_report(client, now_us);
    if (watch->running_us == 0 && is_over(watch->quiet_us, options->idle_transaction_timeout_us, now_us))
        return end_idle_transaction(client, options);
    if (is_over(watch->transaction_us, options->transaction_timeout_us, now_us))
        return end_transaction(client, options, now_us);
    if (is_over(watch->running_us, options->query_timeout_us, now_us))
        return stop_running(client, REASON_QUERY_TIMEOUT, options->query_timeout_us, now_us);
    return false;
}

/* The end of one session may move others between the lists: then it begins anew. True: it has to. */
static bool look_at_some(struct pool_shard *shard, uint64_t now_us)
{
    const struct pool_options *options = pool_options(shard->pool);

    list_each(link, following, &shard->states[SERVER_ACTIVE]) {
        struct server *server = list_entry(link, struct server, link);

        if (server->client != NULL && server->session != NULL && look_at(server->client, options, now_us))
            return true;
    }
    return false;
}

static void end_if_idle(struct client *client, uint64_t now_us)
{
    uint64_t limit_us = pool_options(client->pool)->client_idle_timeout_us;

    if (client->state != CLIENT_ACTIVE)
        watch_idle(client, now_us);
    if (client->state == CLIENT_WAITING || relay_busy(client) ||
        !is_over(client->watch.quiet_us, limit_us, now_us))
        return;
    atomic_fetch_add_explicit(&counters_of(client)->idle_clients_ended, 1, memory_order_relaxed);
    client->watch.transaction_us = 0;
    expire(client, REASON_CLIENT_IDLE, limit_us, "Connect again when there is something to do.");
}

static bool idle_is_limited(const struct snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->route_count; i++)
        if (snapshot->routes[i].pool.client_idle_timeout_us > 0)
            return true;
    return false;
}

static void sweep_idle(struct worker *worker, uint64_t now_us)
{
    if (now_us < worker->idle_looked_us + IDLE_LOOK_US || !idle_is_limited(worker->generation->snapshot))
        return;
    worker->idle_looked_us = now_us;
    list_each(link, following, &worker->clients) {
        struct client *client = list_entry(link, struct client, link);

        if (client->state == CLIENT_IDLE || client->state == CLIENT_WAITING || client->state == CLIENT_ACTIVE)
            end_if_idle(client, now_us);
    }
}

void deadlines_sweep(struct worker *worker, uint64_t now_us)
{
    list_each(link, following, &worker->thread.shards)
        while (look_at_some(list_entry(link, struct pool_shard, in_thread), now_us))
            continue;
    sweep_idle(worker, now_us);
}
