/* SPDX-License-Identifier: PostgreSQL
 * show - the rows behind SHOW. Every function runs on the worker whose objects it reads, or reads atomics. */
#include "gateway/admin/show.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "conf/options.h"
#include "conf/pins.h"
#include "gateway/admin/rows.h"
#include "gateway/admin/show_budget.h"
#include "gateway/admin/show_direct.h"
#include "gateway/admin/show_state.h"
#include "gateway/admin/verbs.h"
#include "gateway/base/clock.h"
#include "gateway/client.h"
#include "gateway/direct.h"
#include "gateway/gateway.h"
#include "gateway/leaks.h"
#include "gateway/net/tls.h"
#include "gateway/session/owed.h"
#include "gateway/version.h"
#include "gateway/worker.h"
#include "router/tally.h"

/* "TLSv1.3/TLS_AES_256_GCM_SHA384", and whether the peer showed a certificate that was checked; "" = plain.
 * */
static void add_tls(struct rows *rows, const struct stream *stream)
{
    char text[128];

    if (stream->tls == NULL || !tls_established(stream->tls)) {
        rows_text(rows, "");
        return;
    }
    snprintf(text, sizeof text, "%s/%s%s", tls_version(stream->tls), tls_cipher(stream->tls),
             tls_peer_verified(stream->tls) ? "/verified" : "");
    rows_text(rows, text);
}

static void add_client(struct rows *rows, const struct client *client, uint64_t now_us)
{
    char peer[ADDRESS_TEXT_BYTES], pins[256];

    address_print(&client->peer, peer, sizeof peer);
    rows_begin(rows);
    rows_text(rows, "C");
    rows_text(rows, client->identity.user);
    rows_text(rows, client->identity.database);
    rows_text(rows, client_state_name(client->state));
    rows_text(rows, peer);
    rows_number(rows, client->id);
    rows_number(rows, (uint64_t)client->worker->thread.index);
    rows_text(rows, client->verdict.route == NULL ? NULL : class_name(client->verdict.class));
    rows_text(rows, client->verdict.route == NULL ? NULL : client->verdict.route->name);
    rows_text(rows, client->verdict.route == NULL ? NULL : mode_name(client->verdict.mode));
    rows_text(rows, pins_print(client->pins, pins, sizeof pins));
    if (client->server != NULL)
        rows_number(rows, client->server->id);
    else
        rows_text(rows, NULL);
    rows_text(rows, client->identity.application_name);
    rows_text(rows, client->verdict.why);
    rows_number(rows, client->transactions);
    rows_number(rows, client->queries);
    rows_number(rows, (now_us - client->connected_us) / 1000000);
    add_tls(rows, &client->stream);
    rows_end(rows);
}

static void show_clients(struct worker *worker, struct rows *rows)
{
    uint64_t now_us = clock_now_us();

    list_each(link, following, &worker->clients) {
        const struct client *client = list_entry(link, struct client, link);

        if (client->state != CLIENT_CLOSED)
            add_client(rows, client, now_us);
    }
}

static void add_server(struct rows *rows, const struct server *server, uint64_t now_us)
{
    const struct pool *pool = server->shard->pool;
    const struct client *client = server->state == SERVER_ACTIVE ? server->client : NULL;
    char where[ADDRESS_TEXT_BYTES];

    address_print(&server->address, where, sizeof where);
    rows_begin(rows);
    rows_text(rows, "S");
    rows_text(rows, pool->user);
    rows_text(rows, pool->database);
    rows_text(rows, server_state_name(server->state));
    rows_text(rows, where);
    rows_number(rows, server->id);
    rows_number(rows, (uint64_t)server->shard->thread->index);
    rows_text(rows, pool->route);
    if (client != NULL)
        rows_number(rows, client->id);
    else
        rows_text(rows, NULL);
    rows_number(rows, server->backend_pid);
    rows_text(rows, server->application_name);
    rows_number(rows, server->session == NULL ? 0 : server->session->prepared.table.count);
    rows_number(rows, (now_us - server->opened_us) / 1000000);
    rows_text(rows, server->dedicated ? "yes" : "no");
    add_tls(rows, &server->stream);
    rows_end(rows);
}

static void show_servers(struct worker *worker, struct rows *rows)
{
    uint64_t now_us = clock_now_us();

    list_each(link, following, &worker->thread.shards) {
        const struct pool_shard *shard = list_entry(link, struct pool_shard, in_thread);

        for (int state = 0; state < SERVER_STATES; state++)
            list_each(entry, after, &shard->states[state])
                add_server(rows, list_entry(entry, struct server, link), now_us);
    }
}

static void add_pool(struct rows *rows, struct pool *pool, int shards, uint64_t now_us)
{
    uint64_t active = 0, parked = 0, oldest_us = UINT64_MAX;

    for (int i = 0; i < shards; i++) {
        uint64_t since_us = atomic_load(&pool->shards[i].oldest_us);

        active += (uint64_t)atomic_load(&pool->shards[i].active);
        parked += (uint64_t)atomic_load(&pool->shards[i].parked);
        oldest_us = since_us < oldest_us ? since_us : oldest_us;
    }
    rows_begin(rows);
    rows_text(rows, pool->database);
    rows_text(rows, pool->user);
    rows_text(rows, pool->route);
    rows_number(rows, (uint64_t)atomic_load(&pool->clients));
    rows_number(rows, (uint64_t)atomic_load(&pool->waiting));
    rows_number(rows, active);
    rows_number(rows, parked);
    rows_number(rows, (uint64_t)atomic_load(&pool->open));
    rows_number(rows, (uint64_t)atomic_load(&pool->uncounted));
    rows_number(rows, (uint64_t)pool_options(pool)->default_pool_size);
    oldest_us = oldest_us > now_us ? now_us : oldest_us;
    rows_number(rows, (now_us - oldest_us) / 1000000);
    rows_number(rows, (now_us - oldest_us) % 1000000);
    rows_number(rows, atomic_load(&pool->handoffs));
    rows_number(rows, (uint64_t)atomic_load(&pool->pinned));
    rows_number(rows, (uint64_t)atomic_load(&pool->pinned_peak));
    rows_number(rows, (uint64_t)pool_options(pool)->max_pinned);
    rows_number(rows, (uint64_t)pool_options(pool)->reserve_pool_size);
    rows_number(rows, atomic_load(&pool->reserves));
    rows_number(rows, (uint64_t)pool_options(pool)->priority);
    rows_end(rows);
}

static void each_pool(struct worker *worker, struct rows *rows,
                      void (*add)(struct rows *rows, struct pool *pool, int shards, uint64_t now_us))
{
    struct pools *pools = &worker->gateway->pools;
    uint64_t now_us = clock_now_us();

    pthread_mutex_lock(&pools->lock);
    for (size_t i = 0; pools->table.count > 0 && i <= pools->table.mask; i++)
        for (struct table_link *link = pools->table.buckets[i]; link != NULL; link = link->next)
            add(rows, table_entry(link, struct pool, link), pools->thread_count, now_us);
    pthread_mutex_unlock(&pools->lock);
}

static void show_pools(struct worker *worker, struct rows *rows)
{
    each_pool(worker, rows, add_pool);
}

static void add_stats(const struct tally *tally, void *owner)
{
    struct rows *rows = owner;

    rows_begin(rows);
    rows_text(rows, tally->database);
    rows_text(rows, tally->user);
    rows_text(rows, tally->route);
    rows_number(rows, tally->transactions);
    rows_number(rows, tally->queries);
    rows_number(rows, tally->wait_us);
    rows_number(rows, tally->pinnings);
    rows_number(rows, tally->refusals);
    rows_end(rows);
}

static void show_stats(struct worker *worker, struct rows *rows)
{
    tally_each(&worker->gateway->pools, add_stats, rows);
}

static void add_pin_stats(const struct tally *tally, void *owner)
{
    struct rows *rows = owner;

    for (enum pin_reason reason = PIN_NONE + 1; reason < PIN_REASONS; reason++) {
        if (tally->pins[reason] == 0)
            continue;
        rows_begin(rows);
        rows_text(rows, tally->database);
        rows_text(rows, tally->user);
        rows_text(rows, tally->route);
        rows_text(rows, pin_reason_name(reason));
        rows_number(rows, tally->pins[reason]);
        rows_text(rows, pin_reason_sentence(reason));
        rows_end(rows);
    }
}

static void show_pin_stats(struct worker *worker, struct rows *rows)
{
    tally_each(&worker->gateway->pools, add_pin_stats, rows);
}

static void show_routes(struct worker *worker, struct rows *rows)
{
    const struct generation *generation = worker->generation;

    for (size_t i = 0; i < generation->snapshot->route_count; i++) {
        const struct route_options *route = &generation->snapshot->routes[i];
        char state[512];

        rows_begin(rows);
        rows_text(rows, route->name);
        rows_text(rows, mode_name(route->mode));
        rows_text(rows, route->upstream);
        rows_number(rows, atomic_load(&generation->route_hits[i]));
        session_state_to_text(&route->pool.session_state, state, sizeof state);
        rows_text(rows, state);
        rows_number(rows, (uint64_t)route->pool.max_pinned);
        rows_text(rows, isolation_name(route->pool.isolation));
        rows_end(rows);
    }
}

static void show_counters(struct worker *worker, struct rows *rows)
{
    struct counters *counters = &worker->gateway->counters;

#define COUNTER(field, name, sentence)                                                                       \
    rows_begin(rows);                                                                                        \
    rows_text(rows, name);                                                                                   \
    rows_number(rows, atomic_load(&counters->field));                                                        \
    rows_text(rows, sentence);                                                                               \
    rows_end(rows);
#include "conf/counters.def"
#undef COUNTER
}

static void show_config(struct worker *worker, struct rows *rows)
{
    struct shown_option option;

    for (size_t i = 0; snapshot_option(worker->generation->snapshot, i, &option); i++) {
        rows_begin(rows);
        rows_text(rows, option.name);
        rows_text(rows, option.value);
        rows_text(rows, option.fallback);
        rows_text(rows, option.reloadable ? "yes" : "no");
        rows_end(rows);
    }
}

static void show_workers(struct worker *worker, struct rows *rows)
{
    struct gateway *gateway = worker->gateway;

    for (int i = 0; i < gateway->worker_count; i++) {
        rows_begin(rows);
        rows_number(rows, (uint64_t)i);
        rows_number(rows, (uint64_t)atomic_load(&gateway->workers[i].load));
        rows_number(rows, atomic_load(&gateway->workers[i].heartbeat));
        rows_end(rows);
    }
}

static void show_version(struct worker *worker, struct rows *rows)
{
    (void)worker;
    rows_begin(rows);
    rows_text(rows, "pgsluice " PGSLUICE_VERSION);
    rows_end(rows);
}

static void show_help(struct worker *worker, struct rows *rows)
{
    (void)worker;
    for (size_t i = 0; show_at(i) != NULL; i++) {
        rows_begin(rows);
        rows_format(rows, "SHOW %s", show_at(i)->name);
        rows_text(rows, show_at(i)->sentence);
        rows_end(rows);
    }
    for (size_t i = 0; verb_at(i) != NULL; i++) {
        rows_begin(rows);
        rows_text(rows, verb_at(i)->name);
        rows_text(rows, verb_at(i)->sentence);
        rows_end(rows);
    }
}

static const struct show shows[] = {
#define EACH_WORKER true
#define ONCE false
#define SHOW(id, name, each, columns, sentence) {name, each, columns, sentence, show_##id},
#include "conf/commands.def"
#undef SHOW
};

const struct show *show_at(size_t i)
{
    return i < sizeof shows / sizeof *shows ? &shows[i] : NULL;
}

const struct show *show_find(const char *name)
{
    for (size_t i = 0; show_at(i) != NULL; i++)
        if (strcasecmp(shows[i].name, name) == 0)
            return &shows[i];
    return NULL;
}
