/* SPDX-License-Identifier: PostgreSQL
 * server - one connection to PostgreSQL that a pool owns. */
#include "router/server.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "router/connect.h"
#include "router/hosts.h"
#include "router/linger.h"
#include "router/pool.h"

void (*server_session_free)(struct server_session *session);

const char *server_state_name(enum server_state state)
{
    static const char *const names[] = {
#define SERVER_STATE(id, name, sentence) name,
#include "conf/server_states.def"
#undef SERVER_STATE
    };

    return names[state];
}

struct server *server_new(struct pool_shard *shard, struct profile *profile)
{
    struct server *server = calloc(1, sizeof *server);

    if (server == NULL)
        return NULL;
    server->shard = shard;
    server->profile = profile;
    server->state = SERVER_CLOSED;
    server->stream.fd = -1;
    server->id = atomic_fetch_add(&shard->pool->pools->next_server_id, 1) + 1;
    server->opened_us = clock_now_us();
    server->epoch = atomic_load(&shard->pool->pools->epoch);
    list_init(&server->link);
    server_enter(server, SERVER_CONNECTING);
    return server;
}

/* Only the shard's own thread writes these, so that a plain load and a store are enough. */
static void ledger_add(struct pool_shard *shard, enum server_state state, int change)
{
    if (state == SERVER_PARKED)
        atomic_store(&shard->parked, atomic_load_explicit(&shard->parked, memory_order_relaxed) + change);
    else if (state == SERVER_ACTIVE)
        atomic_store_explicit(&shard->active,
                              atomic_load_explicit(&shard->active, memory_order_relaxed) + change,
                              memory_order_relaxed);
}

static bool may_enter(enum server_state from, enum server_state to)
{
    switch (to) {
    case SERVER_CONNECTING:
        return from == SERVER_CLOSED;
    case SERVER_PARKED:
        return from == SERVER_CONNECTING || from == SERVER_ACTIVE || from == SERVER_MOVING;
    case SERVER_ACTIVE:
        return from == SERVER_CONNECTING || from == SERVER_PARKED;
    case SERVER_LISTENING:
        return from == SERVER_CONNECTING;
    case SERVER_MOVING:
        return from == SERVER_PARKED;
    case SERVER_CLOSED:
        return from != SERVER_MOVING;
    case SERVER_STATES:
        break;
    }
    return false;
}

void server_enter(struct server *server, enum server_state state)
{
    CHECK(may_enter(server->state, state));
    ledger_add(server->shard, server->state, -1);
    list_remove(&server->link);
    server->state = state;
    if (state == SERVER_MOVING || state == SERVER_CLOSED)
        return;
    ledger_add(server->shard, state, 1);
    if (state == SERVER_PARKED)
        list_push(&server->shard->states[state], &server->link); /* the warmest is taken first */
    else
        list_append(&server->shard->states[state], &server->link);
}

void server_close(struct server *server, const char *why)
{
    static const unsigned char terminate[] = {'X', 0, 0, 0, 4};
    struct pool_shard *shard = server->shard;

    if (server->state == SERVER_CLOSED)
        return;
    log_debug(shard->thread->who, "server=%llu closed pool=%s/%s pid=%u why=\"%s\"",
              (unsigned long long)server->id, shard->pool->database, shard->pool->user, server->backend_pid,
              why);
    server_enter(server, SERVER_CLOSED);
    if (server->stream.fd >= 0) {
        stream_send(&server->stream, terminate, sizeof terminate);
        stream_flush(&server->stream);
        linger_start(shard->thread, server->stream.fd, &server->slot);
        stream_close(&server->stream);
    }
    budget_give(&server->slot);
    if (server->host != NULL)
        atomic_fetch_sub(&server->host->open, 1);
    if (server->counted) {
        server->counted = false;
        atomic_fetch_sub(&shard->pool->open, 1);
        pool_slot_free(shard);
    } else if (server->dedicated) {
        atomic_fetch_sub(&shard->pool->uncounted, 1);
    }
}

static size_t parked_received(struct stream *stream, const unsigned char *bytes, size_t length)
{
    struct server *server = list_entry(stream, struct server, stream);

    (void)bytes;
    server_close(server, "PostgreSQL spoke to an idle server connection");
    return length;
}

static void parked_drained(struct stream *stream)
{
    (void)stream;
}

static void parked_ended(struct stream *stream, int error)
{
    struct server *server = list_entry(stream, struct server, stream);

    (void)error;
    server_close(server, "PostgreSQL closed an idle server connection");
}

static void server_free(struct server *server)
{
    if (server->session != NULL)
        server_session_free(server->session);
    settings_release(server->settings);
    settings_release(server->customs);
    explicit_bzero(server->secret, sizeof server->secret);
    free(server);
}

static void parked_released(struct stream *stream)
{
    struct server *server = list_entry(stream, struct server, stream);

    server->buried = true;
    if (server->cancels == 0)
        server_free(server);
}

void server_cancel_done(struct server *server)
{
    server->cancels--;
    if (server->buried && server->cancels == 0)
        server_free(server);
}

static const struct stream_events parked_events = {.received = parked_received,
                                                   .drained = parked_drained,
                                                   .ended = parked_ended,
                                                   .released = parked_released};

void server_watch_parked(struct server *server)
{
    server->stream.events = &parked_events;
}
