/* SPDX-License-Identifier: PostgreSQL
 * snapshot - one validated configuration, immutable after it was built, shared by reference count. */
#include "conf/snapshot.h"

#include <stdatomic.h>
#include <string.h>

#include "conf/conditions.h"
#include "conf/conf.h"
#include "conf/endpoint.h"
#include "conf/options.h"
#include "conf/snapshot_read.h"
#include "gateway/base/arena.h"
#include "gateway/base/check.h"

static void scope_defaults(enum option_scope scope, void *into, struct arena *arena)
{
    size_t count;
    const struct conf_row *rows = options_rows(scope, &count);

    rows_defaults(rows, count, into, arena);
}

static struct snapshot *snapshot_new(void)
{
    struct arena *arena = arena_new();
    struct snapshot *snapshot;

    CHECK(arena != NULL);
    snapshot = arena_alloc(arena, sizeof *snapshot);
    snapshot->arena = arena;
    atomic_init(&snapshot->references, 1);
    scope_defaults(OPTIONS_process, snapshot, arena);
    scope_defaults(OPTIONS_pool, &snapshot->defaults, arena);
    scope_defaults(OPTIONS_auth, &snapshot->auth, arena);
    scope_defaults(OPTIONS_tls, &snapshot->tls, arena);
    scope_defaults(OPTIONS_budget, snapshot, arena);
    scope_defaults(OPTIONS_limits, snapshot, arena);
    scope_defaults(OPTIONS_admin, snapshot, arena);
    return snapshot;
}

/* There is room for one route of each mode behind the operator's. */
static void builtin_add(struct snapshot *snapshot, enum mode mode)
{
    if (snapshot_builtin_route(snapshot, mode) != NULL)
        return;
    snapshot->routes[snapshot->route_count] = (struct route_options){
        .name = arena_format(snapshot->arena, "(%s)", mode_name(mode)),
        .mode = mode,
        .upstream = snapshot->upstreams[0].name,
        .pool = snapshot->defaults,
        .index = (int)snapshot->route_count,
    };
    snapshot->route_count++;
}

static void builtins_add(struct snapshot *snapshot)
{
    builtin_add(snapshot, MODE_DIRECT);
    for (size_t i = 0; i < snapshot->listener_count; i++)
        builtin_add(snapshot, snapshot->listeners[i].mode);
}

struct snapshot *snapshot_load(const char *path, struct problems *problems)
{
    struct snapshot *snapshot = snapshot_new();
    size_t before = problems->count;
    struct conf *conf;

    snapshot->file = arena_string(snapshot->arena, path);
    conf = conf_open(path, snapshot->arena, problems);
    if (conf != NULL)
        snapshot_read(snapshot, conf);
    conf_close(conf);
    if (problems->count == before) {
        builtins_add(snapshot);
        return snapshot;
    }
    snapshot_release(snapshot);
    return NULL;
}

static void listener_builtin(struct snapshot *snapshot, const char *name, const char *address, enum mode mode)
{
    struct listener_options *listener = &snapshot->listeners[snapshot->listener_count++];

    listener->name = name;
    listener->mode = mode;
    listener->client_tls_sslmode = snapshot->tls.client.mode;
    listener->listen.items = arena_alloc(snapshot->arena, sizeof *listener->listen.items);
    listener->listen.items[0] = address;
    listener->listen.count = 1;
}

struct snapshot *snapshot_from_upstream(const char *address, struct problems *problems)
{
    struct snapshot *snapshot = snapshot_new();
    const char *host;
    char why[256];

    host = endpoint_host(arena_string(snapshot->arena, address), snapshot->arena, why, sizeof why);
    if (host == NULL) {
        problems_add(problems, NULL, 0, "--upstream: %s, found \"%.120s\"", why, address);
        snapshot_release(snapshot);
        return NULL;
    }
    snapshot->listeners = arena_alloc(snapshot->arena, 2 * sizeof *snapshot->listeners);
    listener_builtin(snapshot, "pooled", "127.0.0.1:6432", MODE_TRANSACTION);
    listener_builtin(snapshot, "direct", "127.0.0.1:6433", MODE_DIRECT);
    snapshot->upstreams = arena_alloc(snapshot->arena, sizeof *snapshot->upstreams);
    snapshot->upstream_count = 1;
    snapshot->upstreams->name = "main";
    snapshot->upstreams->server_tls_sslmode = snapshot->tls.server.mode;
    snapshot->upstreams->hosts.items = arena_alloc(snapshot->arena, sizeof host);
    snapshot->upstreams->hosts.items[0] = host;
    snapshot->upstreams->hosts.count = 1;
    snapshot->routes = arena_alloc(snapshot->arena, MODES * sizeof *snapshot->routes);
    builtins_add(snapshot);
    return snapshot;
}

struct snapshot *snapshot_retain(struct snapshot *snapshot)
{
    int before = atomic_fetch_add_explicit(&snapshot->references, 1, memory_order_relaxed);

    CHECK(before > 0);
    return snapshot;
}

void snapshot_release(struct snapshot *snapshot)
{
    if (snapshot == NULL || atomic_fetch_sub_explicit(&snapshot->references, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < snapshot->route_count; i++)
        if (snapshot->routes[i].match != NULL)
            conditions_free(snapshot->routes[i].match);
    arena_free(snapshot->arena);
}

const struct route_options *snapshot_builtin_route(const struct snapshot *snapshot, enum mode mode)
{
    for (size_t i = snapshot->own_route_count; i < snapshot->route_count; i++)
        if (snapshot->routes[i].mode == mode)
            return &snapshot->routes[i];
    return NULL;
}

const struct upstream_options *snapshot_upstream(const struct snapshot *snapshot, const char *name)
{
    for (size_t i = 0; i < snapshot->upstream_count; i++)
        if (snapshot->upstreams[i].name != NULL && strcmp(snapshot->upstreams[i].name, name) == 0)
            return &snapshot->upstreams[i];
    return NULL;
}

static void option_show(const struct conf_row *row, const void *from, struct shown_option *shown)
{
    shown->name = row->name;
    row_to_text(row, from, shown->value, sizeof shown->value);
    strncpy(shown->fallback, row->fallback == NULL ? "" : row->fallback, sizeof shown->fallback - 1);
    shown->fallback[sizeof shown->fallback - 1] = '\0';
    shown->reloadable = row->reload == CONF_RELOADED;
}

bool snapshot_option(const struct snapshot *snapshot, size_t index, struct shown_option *shown)
{
    const struct {
        enum option_scope scope;
        const void *from;
    } order[] = {
        { OPTIONS_process, snapshot },     { OPTIONS_pool, &snapshot->defaults },
        { OPTIONS_auth, &snapshot->auth }, { OPTIONS_tls, &snapshot->tls },
        { OPTIONS_budget, snapshot },      { OPTIONS_limits, snapshot },
        { OPTIONS_admin, snapshot },
    };

    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        size_t count;
        const struct conf_row *rows = options_rows(order[i].scope, &count);

        if (index < count) {
            option_show(&rows[index], order[i].from, shown);
            return true;
        }
        index -= count;
    }
    return false;
}
