/* SPDX-License-Identifier: PostgreSQL
 * relay_sweep - ends server connections that take too long over their last words, or listen at a host that
 * has lost its role. */
#include <errno.h>

#include "gateway/relay.h"
#include "gateway/session/owed.h"
#include "router/pool.h"
#include "router/pool_hosts.h"

/* How long a ROLLBACK for a client that left may take. */
enum { CLEANING_LIMIT_US = 10000000 };

/* PostgreSQL ends after it said so. */
enum { FAREWELL_LIMIT_US = 1000000 };

static void sweep_active(struct server *server, const struct server_session *session, uint64_t now_us)
{
    if (server->client == NULL && session->cleaning_since_us > 0 &&
        now_us > session->cleaning_since_us + CLEANING_LIMIT_US)
        server_close(server, "its ROLLBACK took too long");
    else if (pool_is_cut_off(server))
        server->stream.events->ended(&server->stream, ETIMEDOUT);
    else if (session->again.held_us > 0 && now_us > session->again.held_us + FAREWELL_LIMIT_US)
        server->stream.events->ended(&server->stream, 0);
}

void relay_sweep(struct pool_thread *thread, uint64_t now_us)
{
    list_each(link, following, &thread->shards) {
        struct pool_shard *shard = list_entry(link, struct pool_shard, in_thread);

        list_each(entry, after, &shard->states[SERVER_LISTENING]) {
            struct stream *stream = &list_entry(entry, struct server, link)->stream;

            if (pool_is_former(list_entry(entry, struct server, link)))
                stream->events->ended(stream, ECONNRESET);
        }
        list_each(entry, after, &shard->states[SERVER_ACTIVE]) {
            struct server *server = list_entry(entry, struct server, link);

            if (server->session != NULL)
                sweep_active(server, server->session, now_us);
        }
    }
}
