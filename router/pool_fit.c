/* SPDX-License-Identifier: PostgreSQL
 * pool_fit - which of the idle servers of a worker suits a session: never one that bears another's traces. */
#include <string.h>

#include "gateway/base/clock.h"
#include "router/pool.h"
#include "router/pool_hosts.h"

/* What came to an idle server since the loop last looked would be taken for an answer: such a server is not
 * used. */
static bool is_quiet(struct server *server)
{
    if (server->parked_us == server->shard->thread->now_us || stream_quiet(&server->stream))
        return true;
    server_close(server, "PostgreSQL spoke to an idle server connection");
    return false;
}

/* Where currval and lastval are asked for, a server from before that was known has no new user. */
static bool tells_nothing(const struct server *server, const struct waiter *waiter)
{
    return server->sequence_user == 0 || server->sequence_user == waiter->owner ||
           !atomic_load_explicit(&server->shard->pool->asks_sequences, memory_order_relaxed);
}

/* The name that a server was opened with is where RESET goes and what pg_settings shows: most have none. */
static bool is_called(const struct server *server, const struct waiter *waiter)
{
    if (*server->startup_name == '\0')
        return !waiter->named || *waiter->startup_name == '\0';
    return strcmp(server->startup_name, waiter->startup_name) == 0;
}

static bool may_use(const struct server *server, const struct waiter *waiter)
{
    return server->profile == waiter->profile &&
           (server->marked_for == 0 || server->marked_for == waiter->owner) &&
           server->epoch >= waiter->epoch && tells_nothing(server, waiter) &&
           is_called(server, waiter) && pool_keeps(server) &&
           settings_cover(waiter->settings, server->customs, waiter->sets);
}

enum { BEST = 3 }; /* of servers that bear no traces; those that bear the session's own come first */

static int fitness(const struct server *server, const struct waiter *waiter)
{
    return (server->marked_for != 0 ? 4 : 0) + (server->epoch == waiter->epoch ? 2 : 0) +
           (server->settings == waiter->settings ? 1 : 0);
}

/* One with the defaults of the session's own time, and with its settings already, is taken first. */
static struct server *parked_best(struct pool_shard *shard, const struct waiter *waiter)
{
    struct server *best = NULL;
    int best_fitness = -1;

    list_each(link, following, &shard->states[SERVER_PARKED]) {
        struct server *server = list_entry(link, struct server, link);

        if (!may_use(server, waiter) || (waiter->only != 0 && waiter->only != server->id))
            continue;
        if (fitness(server, waiter) == BEST && !waiter->marks)
            return server;
        if (fitness(server, waiter) > best_fitness) {
            best = server;
            best_fitness = fitness(server, waiter);
        }
    }
    return best;
}

struct server *pool_fit(struct pool_shard *shard, const struct waiter *waiter)
{
    struct server *server;

    while ((server = parked_best(shard, waiter)) != NULL && !is_quiet(server)) {
    }
    return server;
}

struct server *pool_take_only(struct pool_shard *shard, const struct waiter *waiter)
{
    struct server *server = pool_fit(shard, waiter);

    if (server != NULL)
        server_enter(server, SERVER_ACTIVE);
    return server;
}

bool pool_has_sequence(struct pool_shard *shard, uint64_t server_id, uint64_t owner)
{
    list_each(link, following, &shard->states[SERVER_PARKED]) {
        const struct server *server = list_entry(link, struct server, link);

        if (server->id == server_id)
            return server->sequence_user == owner;
    }
    return false;
}

void pool_forget(struct pool_shard *shard, uint64_t owner)
{
    list_each(link, following, &shard->states[SERVER_PARKED])
        if (list_entry(link, struct server, link)->marked_for == owner)
            server_close(list_entry(link, struct server, link), "it bears traces of a session that ended");
}
