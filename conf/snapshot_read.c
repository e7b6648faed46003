/* SPDX-License-Identifier: PostgreSQL
 * snapshot_read - fills a snapshot from the groups of a configuration file; part of conf/snapshot. */
#include "conf/snapshot_read.h"

#include <string.h>
#include <strings.h>

#include "conf/access_read.h"
#include "conf/conditions.h"
#include "conf/conf.h"
#include "conf/endpoint.h"
#include "conf/nearest.h"
#include "conf/options.h"
#include "conf/snapshot.h"
#include "gateway/base/arena.h"

enum { LISTENERS_MAX = 64, UPSTREAMS_MAX = 64, ROUTES_MAX = 1000 };

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"

static const char name_bytes[] = LETTERS "0123456789-.";
static const char setting_bytes[] = LETTERS "0123456789.";

static void scope_read(struct conf_group *group, enum option_scope scope, void *into)
{
    size_t count;
    const struct conf_row *rows = options_rows(scope, &count);

    conf_read(group, rows, count, into);
}

/* Names become metric labels and words of the log, so they are plain. */
static void name_check(const struct conf_group *group, const char *name)
{
    if (name != NULL && name[strspn(name, name_bytes)] != '\0')
        conf_problem(group, "name", "expected letters, digits, `_`, `-` and `.`, found \"%.64s\"; rename it",
                     name);
}

static void name_taken(const struct conf_group *group, const char *noun, const char *name, const char *other,
                       int line)
{
    if (name != NULL && other != NULL && strcmp(name, other) == 0)
        conf_problem(group, "name", "the %s on line %d has this name too; rename one of them", noun, line);
}

static size_t items_within(struct conf_group *root, const char *name, size_t most)
{
    size_t count = conf_items(root, name);

    if (count <= most)
        return count;
    conf_problem(root, name, "expected at most %zu, found %zu; remove some", most, count);
    return most;
}

static void listen_check(const struct conf_group *group, const struct snapshot *snapshot, size_t self,
                         size_t address)
{
    const char *text = snapshot->listeners[self].listen.items[address];
    char why[256];

    if (!endpoint_listens(text, why, sizeof why)) {
        conf_problem(group, "listen", "%s, found \"%.120s\"", why, text);
        return;
    }
    if (*text != '/' && strcmp(text + strlen(text) - 2, ":0") == 0)
        return; /* the kernel gives each a port of its own */
    for (size_t i = 0; i <= self; i++) {
        const struct strings *other = &snapshot->listeners[i].listen;

        for (size_t j = 0; j < (i == self ? address : other->count); j++)
            if (strcmp(other->items[j], text) == 0)
                conf_problem(group, "listen", "\"%s\" is listened on twice; remove one", text);
    }
}

static void listeners_read(struct snapshot *snapshot, struct conf_group *root)
{
    size_t count = items_within(root, "listeners", LISTENERS_MAX);

    if (!conf_has(root, "listeners"))
        conf_problem(root, NULL,
                     "there is no listener; add one, such as listeners = ( { name = \"pooled\"; "
                     "listen = [ \"127.0.0.1:6432\" ]; mode = \"transaction\"; } );");
    else if (count == 0)
        conf_problem(root, "listeners", "expected at least one listener, found none; add one");
    snapshot->listeners = arena_alloc(snapshot->arena, (count + 1) * sizeof *snapshot->listeners);
    snapshot->listener_count = count;
    for (size_t i = 0; i < count; i++) {
        struct listener_options *listener = &snapshot->listeners[i];
        struct conf_group group = conf_item(root, "listeners", i, "listener");

        listener->client_tls_sslmode = SSLMODE_DEFAULT;
        scope_read(&group, OPTIONS_listener, listener);
        conf_end(&group);
        if (listener->tls == LISTENER_PASSES_THROUGH && listener->mode != MODE_DIRECT)
            conf_problem(&group, "tls", "\"passthrough\" needs mode = \"direct\", found \"%s\"",
                         mode_name(listener->mode));
        listener->line = conf_line(&group, NULL);
        name_check(&group, listener->name);
        for (size_t j = 0; j < i; j++)
            name_taken(&group, "listener", listener->name, snapshot->listeners[j].name,
                       snapshot->listeners[j].line);
        for (size_t j = 0; j < listener->listen.count; j++)
            listen_check(&group, snapshot, i, j);
    }
}

static void hosts_read(const struct conf_group *group, struct upstream_options *upstream, struct arena *arena)
{
    char why[256];

    for (size_t i = 0; i < upstream->hosts.count; i++) {
        const char *host = endpoint_host(upstream->hosts.items[i], arena, why, sizeof why);

        if (host == NULL)
            conf_problem(group, "hosts", "%s, found \"%.120s\"", why, upstream->hosts.items[i]);
        else
            upstream->hosts.items[i] = host;
    }
}

static void patroni_check(const struct conf_group *group, const struct strings *urls)
{
    for (size_t i = 0; i < urls->count; i++)
        if (strncmp(urls->items[i], "http://", 7) != 0 && strncmp(urls->items[i], "https://", 8) != 0)
            conf_problem(group, "patroni",
                         "expected the address of Patroni's REST API, such as \"http://10.0.0.1:8008\", "
                         "found \"%.120s\"", urls->items[i]);
}

static void upstreams_read(struct snapshot *snapshot, struct conf_group *root)
{
    size_t count = items_within(root, "upstreams", UPSTREAMS_MAX);

    if (!conf_has(root, "upstreams"))
        conf_problem(root, NULL,
                     "there is no upstream; say where PostgreSQL is, such as upstreams = ( { "
                     "name = \"main\"; hosts = [ \"127.0.0.1:5432\" ]; } );");
    else if (count == 0)
        conf_problem(root, "upstreams", "expected at least one upstream, found none; add one");
    snapshot->upstreams = arena_alloc(snapshot->arena, (count + 1) * sizeof *snapshot->upstreams);
    snapshot->upstream_count = count;
    for (size_t i = 0; i < count; i++) {
        struct upstream_options *upstream = &snapshot->upstreams[i];
        struct conf_group group = conf_item(root, "upstreams", i, "upstream");

        upstream->server_tls_sslmode = SSLMODE_DEFAULT;
        scope_read(&group, OPTIONS_upstream, upstream);
        conf_end(&group);
        name_check(&group, upstream->name);
        hosts_read(&group, upstream, snapshot->arena);
        patroni_check(&group, &upstream->patroni);
        for (size_t j = 0; j < i; j++)
            if (upstream->name != NULL && snapshot->upstreams[j].name != NULL &&
                strcmp(upstream->name, snapshot->upstreams[j].name) == 0)
                conf_problem(&group, "name", "another upstream has this name too; rename one of them");
    }
}

static void pool_check(const struct conf_group *group, const struct pool_options *pool)
{
    if (pool->min_pool_size > pool->default_pool_size)
        conf_problem(group, conf_has(group, "min_pool_size") ? "min_pool_size" : "default_pool_size",
                     "min_pool_size is %d and default_pool_size only %d; the first may not be larger",
                     pool->min_pool_size, pool->default_pool_size);
}

/* Who a server connection belongs to is the client's and the route's business, never a setting's. */
static bool setting_reserved(const char *name)
{
    static const char *const reserved[] = { "user", "database", "replication", "options" };

    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
        if (strcasecmp(name, reserved[i]) == 0)
            return true;
    return strncmp(name, "_pq_.", 5) == 0;
}

static void settings_check(const struct conf_group *group, const struct pairs *settings)
{
    for (size_t i = 0; i < settings->count; i++) {
        const char *name = settings->items[i].name;

        if (setting_reserved(name))
            conf_problem(group, "settings", "\"%s\" is not a setting of PostgreSQL's; remove it", name);
        else if (strspn(name, LETTERS) == 0 || name[strspn(name, setting_bytes)] != '\0')
            conf_problem(group, "settings",
                         "expected names of letters, digits, `_` and `.`, found \"%.64s\"; correct it", name);
    }
}

/* Pools are shared, and what a dump leaves on a server would be the next client's: it needs its own. */
static void classes_check(const struct conf_group *group, const struct route_options *route)
{
    static const enum class dedicated[] = { CLASS_DUMP, CLASS_RESTORE, CLASS_BACKUP, CLASS_REPLICATION };
    bool pools = route->mode == MODE_TRANSACTION || route->mode == MODE_STATEMENT;

    for (size_t i = 0; pools && i < sizeof dedicated / sizeof dedicated[0]; i++) {
        if (!conditions_name_class(route->match, dedicated[i]))
            continue;
        conf_problem(group, "mode",
                     "the class %s cannot share servers, found the mode \"%s\"; use \"direct\", or take the "
                     "class out of this route's match",
                     class_name(dedicated[i]), mode_name(route->mode));
        return;
    }
}

static void route_upstream(const struct conf_group *group, const struct snapshot *snapshot,
                           struct route_options *route)
{
    const char *names[UPSTREAMS_MAX];
    const char *nearest;
    size_t count = 0;

    if (route->upstream == NULL) {
        route->upstream = snapshot->upstream_count > 0 ? snapshot->upstreams[0].name : NULL;
        return;
    }
    for (size_t i = 0; i < snapshot->upstream_count; i++)
        if (snapshot->upstreams[i].name != NULL)
            names[count++] = snapshot->upstreams[i].name;
    if (snapshot_upstream(snapshot, route->upstream) != NULL)
        return;
    nearest = nearest_name(route->upstream, names, count);
    conf_problem(group, "upstream", "there is no upstream \"%s\"%s%s%s", route->upstream,
                 nearest == NULL ? "; add it to upstreams" : "; did you mean \"",
                 nearest == NULL ? "" : nearest, nearest == NULL ? "" : "\"?");
}

static void user_check(const struct conf_group *group, const struct route_options *route)
{
    if (route->user != NULL && (route->mode == MODE_DIRECT || route->mode == MODE_REJECT))
        conf_problem(group, "user",
                     "it is for modes that pool: in a session of mode \"%s\" clients log in to "
                     "PostgreSQL by themselves",
                     mode_name(route->mode));
}

static void route_read(struct snapshot *snapshot, struct conf_group *group, struct route_options *route)
{
    route->pool = snapshot->defaults;
    scope_read(group, OPTIONS_route, route);
    scope_read(group, OPTIONS_pool, &route->pool);
    route->match = conditions_read(group, snapshot->arena);
    conf_end(group);
    route->line = conf_line(group, NULL);
    name_check(group, route->name);
    pool_check(group, &route->pool);
    settings_check(group, &route->settings);
    classes_check(group, route);
    user_check(group, route);
    route_upstream(group, snapshot, route);
}

static void routes_read(struct snapshot *snapshot, struct conf_group *root)
{
    size_t count = items_within(root, "routes", ROUTES_MAX);

    snapshot->routes = arena_alloc(snapshot->arena, (count + MODES) * sizeof *snapshot->routes);
    snapshot->route_count = snapshot->own_route_count = count;
    for (size_t i = 0; i < count; i++) {
        struct route_options *route = &snapshot->routes[i];
        struct conf_group group = conf_item(root, "routes", i, "route");

        route->index = (int)i;
        route_read(snapshot, &group, route);
        for (size_t j = 0; j < i; j++)
            name_taken(&group, "route", route->name, snapshot->routes[j].name, snapshot->routes[j].line);
    }
}

static void group_read(struct snapshot *snapshot, struct conf_group *root, enum option_scope scope)
{
    struct conf_group group = conf_child(root, option_scope_place(scope));

    scope_read(&group, scope, snapshot);
    conf_end(&group);
}

void snapshot_read(struct snapshot *snapshot, struct conf *conf)
{
    struct conf_group root = conf_root(conf);
    struct conf_group defaults = conf_child(&root, "defaults");

    scope_read(&root, OPTIONS_process, snapshot);
    scope_read(&defaults, OPTIONS_pool, &snapshot->defaults);
    conf_end(&defaults);
    pool_check(&defaults, &snapshot->defaults);
    listeners_read(snapshot, &root);
    upstreams_read(snapshot, &root);
    routes_read(snapshot, &root);
    access_read(snapshot, &root);
    group_read(snapshot, &root, OPTIONS_budget);
    group_read(snapshot, &root, OPTIONS_limits);
    group_read(snapshot, &root, OPTIONS_admin);
    conf_end(&root);
}
