/* SPDX-License-Identifier: PostgreSQL
 * leaks - sessions that keep a transaction open: who they are, for how long, and what they said last. */
#include "gateway/leaks.h"

#include <stdio.h>
#include <stdlib.h>

#include "gateway/admin/rows.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/client.h"
#include "gateway/gateway.h"
#include "gateway/session/owed.h"
#include "gateway/session/redact.h"
#include "gateway/worker.h"

static const char *state_of(const struct client *client)
{
    if (client->server->session->owed.count > 0)
        return "active";
    return client->server->status == 'E' ? "idle in transaction (aborted)" : "idle in transaction";
}

static void describe_statement(const struct client *client, struct leak *leak)
{
    const struct last_statement *last = &client->server->session->last;

    statement_redact(last->text, client->relay.opaque_encoding ? 0 : last->length,
                     !client->relay.plain_backslashes, leak->statement, sizeof leak->statement);
}

static void describe(const struct client *client, struct leak *leak)
{
    *leak = (struct leak){.client_id = client->id,
                          .server_id = client->server->id,
                          .transaction_us = client->watch.transaction_us,
                          .quiet_us = client->watch.quiet_us,
                          .backend_pid = client->server->backend_pid,
                          .state = state_of(client)};
    snprintf(leak->user, sizeof leak->user, "%s", client->identity.user);
    snprintf(leak->database, sizeof leak->database, "%s", client->identity.database);
    snprintf(leak->application, sizeof leak->application, "%s", client->identity.application_name);
    snprintf(leak->route, sizeof leak->route, "%s", client->verdict.route->name);
    address_print(&client->peer, leak->peer, sizeof leak->peer);
    (void)pins_print(client->pins, leak->pins, sizeof leak->pins);
    describe_statement(client, leak);
}

static void log_leak(const struct client *client, const struct leak *leak, const char *what, uint64_t now_us)
{
    log_warn(client->worker->thread.who,
             "client=%llu leak %s peer=%s user=%s database=%s application=\"%s\" route=%s state=\"%s\" "
             "transaction_seconds=%.1f idle_seconds=%.1f pin=\"%s\" pid=%u statement=\"%s\"",
             (unsigned long long)leak->client_id, what, leak->peer, leak->user, leak->database,
             leak->application, leak->route, leak->state, (double)(now_us - leak->transaction_us) / 1e6,
             (double)(now_us - leak->quiet_us) / 1e6, leak->pins, leak->backend_pid, leak->statement);
}

void leaks_report(struct client *client, uint64_t now_us)
{
    struct leak leak;

    client->watch.reported = true;
    atomic_fetch_add_explicit(&client->worker->gateway->counters.leaks_reported, 1, memory_order_relaxed);
    describe(client, &leak);
    log_leak(client, &leak, "leak_report_after", now_us);
}

void leaks_end(struct client *client, const char *setting, uint64_t now_us)
{
    struct worker *worker = client->worker;
    struct leak leak;

    describe(client, &leak);
    log_leak(client, &leak, setting, now_us);
    if (worker->leaks == NULL)
        worker->leaks = calloc(1, sizeof *worker->leaks);
    if (worker->leaks == NULL)
        return;
    leak.state = setting;
    leak.ended_us = now_us;
    worker->leaks->kept[worker->leaks->ended++ % LEAKS_KEPT] = leak;
}

static void add_seconds(struct rows *rows, uint64_t since_us, uint64_t until_us)
{
    rows_number(rows, until_us > since_us ? (until_us - since_us) / 1000000 : 0);
}

static void add_leak(struct rows *rows, const struct leak *leak, uint64_t ends_us, uint64_t now_us)
{
    uint64_t until_us = leak->ended_us == 0 ? now_us : leak->ended_us;

    rows_begin(rows);
    rows_number(rows, leak->client_id);
    rows_text(rows, leak->user);
    rows_text(rows, leak->database);
    rows_text(rows, leak->application);
    rows_text(rows, leak->peer);
    rows_text(rows, leak->route);
    rows_format(rows, "%s%s", leak->ended_us == 0 ? "" : "ended by ", leak->state);
    add_seconds(rows, leak->transaction_us, until_us);
    add_seconds(rows, leak->quiet_us, until_us);
    rows_text(rows, leak->pins);
    rows_number(rows, leak->server_id);
    rows_number(rows, leak->backend_pid);
    if (ends_us == UINT64_MAX)
        rows_text(rows, NULL);
    else
        add_seconds(rows, now_us, ends_us);
    if (leak->ended_us == 0)
        rows_text(rows, NULL);
    else
        add_seconds(rows, leak->ended_us, now_us);
    rows_text(rows, leak->statement);
    rows_end(rows);
}

/* When a limit will end what goes on now. */
static uint64_t end_of(const struct client *client, const struct pool_options *options)
{
    const struct watch *watch = &client->watch;
    uint64_t end_us = UINT64_MAX, idle_us = watch->quiet_us + options->idle_transaction_timeout_us;

    if (options->transaction_timeout_us > 0)
        end_us = watch->transaction_us + options->transaction_timeout_us;
    if (options->idle_transaction_timeout_us > 0 && client->server->session->owed.count == 0 &&
        idle_us < end_us)
        end_us = idle_us;
    return end_us;
}

static bool is_leak(const struct client *client, const struct pool_options *options, uint64_t now_us)
{
    return (client->pins & PIN_BIT(DEDICATED)) == 0 && client->watch.transaction_us != 0 &&
           options->leak_report_after_us > 0 &&
           now_us >= client->watch.transaction_us + options->leak_report_after_us;
}

static void show_shard(struct pool_shard *shard, struct rows *rows, uint64_t now_us)
{
    const struct pool_options *options = pool_options(shard->pool);

    list_each(link, following, &shard->states[SERVER_ACTIVE]) {
        struct server *server = list_entry(link, struct server, link);
        struct client *client = server->client;
        struct leak leak;

        if (client == NULL || server->session == NULL)
            continue;
        watch_linked(client, now_us);
        if (!is_leak(client, options, now_us))
            continue;
        describe(client, &leak);
        add_leak(rows, &leak, end_of(client, options), now_us);
    }
}

void show_leaks(struct worker *worker, struct rows *rows)
{
    const struct leaks *leaks = worker->leaks;
    uint64_t now_us = clock_now_us();

    list_each(link, following, &worker->thread.shards)
        show_shard(list_entry(link, struct pool_shard, in_thread), rows, now_us);
    for (unsigned i = 0; leaks != NULL && i < leaks->ended && i < LEAKS_KEPT; i++)
        add_leak(rows, &leaks->kept[(leaks->ended - 1 - i) % LEAKS_KEPT], UINT64_MAX, now_us);
}
