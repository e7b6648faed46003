/* SPDX-License-Identifier: PostgreSQL
 * route - the first of the operator's routes that is for a connection, or a built-in one. */
#include "router/route.h"

#include "gateway/base/check.h"
#include "router/classify.h"
#include "router/match.h"

static enum mode builtin_mode(const struct listener_options *listener, enum class class)
{
    if (class == CLASS_APP || (listener->mode == MODE_REJECT && class != CLASS_ADMIN))
        return listener->mode;
    return MODE_DIRECT;
}

const struct route_options *route_find(const struct snapshot *snapshot, const struct connection_facts *facts,
                                       enum class class)
{
    const struct route_options *route;

    for (size_t i = 0; i < snapshot->own_route_count; i++)
        if (match_accepts(&snapshot->routes[i], facts, class, NULL, 0))
            return &snapshot->routes[i];
    route = snapshot_builtin_route(snapshot, builtin_mode(facts->listener, class));
    CHECK(route != NULL);
    return route;
}

/* A server that a dump used would carry its settings to the next client of the pool. */
static bool class_shares(enum class class)
{
    return class == CLASS_APP || class == CLASS_MAINTENANCE;
}

enum mode route_mode(const struct route_options *route, const struct listener_options *listener,
                     enum class class)
{
    if (route->mode == MODE_REJECT)
        return MODE_REJECT;
    if (listener->mode == MODE_DIRECT || (route->mode == MODE_SESSION && !class_shares(class)))
        return MODE_DIRECT;
    return route->mode;
}

bool route_is_builtin(const struct route_options *route)
{
    return route->match == NULL;
}
