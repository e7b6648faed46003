/* SPDX-License-Identifier: PostgreSQL
 * relay - links clients to servers and takes them apart again. A server goes back to the pool only after
 * ReadyForQuery `I`, with nothing owed in either direction; in doubt it is closed. */
#include "gateway/relay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/fault.h"
#include "gateway/base/log.h"
#include "gateway/client.h"
#include "gateway/gateway.h"
#include "gateway/notify/notify.h"
#include "gateway/policy.h"
#include "gateway/relay_again.h"
#include "gateway/relay_names.h"
#include "gateway/relay_state.h"
#include "gateway/reply.h"
#include "gateway/session/owed.h"
#include "gateway/takeover/leave.h"
#include "gateway/welcome.h"
#include "gateway/worker.h"
#include "router/pool_hosts.h"

void relay_pin(struct client *client, enum pin_reason reason)
{
    uint32_t before = client->pins;

    client->pins |= 1u << reason;
    if (client->pins != before)
        policy_pinned(client, client->pins & ~before);
    if (before != 0)
        return;
    atomic_fetch_add_explicit(&client->worker->gateway->counters.sessions_pinned, 1, memory_order_relaxed);
    log_debug(client->worker->thread.who, "client=%llu keeps its server connection: %s",
              (unsigned long long)client->id, pin_reason_name(reason));
}

/* A dedicated server that could not be opened apart from the pool leaves the pool's count. */
static void take_out_of_pool(struct server *server)
{
    if (!server->counted)
        return;
    server->counted = false;
    server->dedicated = true;
    atomic_fetch_sub(&server->shard->pool->open, 1);
    atomic_fetch_add(&server->shard->pool->uncounted, 1);
    budget_move(&server->slot, SHARE_DIRECT);
    pool_slot_free(server->shard);
}

void relay_link(struct client *client, struct server *server)
{
    CHECK(client->server == NULL && server->client == NULL && server->state == SERVER_ACTIVE);
    if (server->session == NULL)
        server->session = session_new();
    client->server = server;
    server->client = client;
    server->stream.events = &relay_server_events;
    client->waiter.sets = NULL;
    if (server->session != NULL)
        server->session->late = NULL;
    client->waiter.named = false;
    if (client->welcome != atomic_load_explicit(&client->profile->welcome, memory_order_relaxed))
        welcome_renew(client);
    client_enter(client, CLIENT_ACTIVE);
    if ((client->pins & PIN_BIT(DEDICATED)) != 0)
        take_out_of_pool(server);
    if (server->session == NULL || !replay_settings(client))
        client_close(client, REASON_MEMORY, NULL);
    else
        again_begin(client);
}

static void on_granted(struct waiter *waiter, struct server *server)
{
    struct client *client = list_entry(waiter, struct client, waiter);

    client->relay.dedicated = waiter->want == WANT_FRESH && (client->pins & PIN_BIT(DEDICATED)) != 0 &&
                              client->names.table.count == 0 && !client->unnamed.known;
    waiter->want = WANT_POOLED;
    relay_link(client, server);
    stream_resume(&client->stream);
}

/* No password here to open a server with: a dedicated session takes one that a client's login brought. */
static bool fall_back(struct client *client, const struct fault *fault, const void *message)
{
    bool no_password =
        client->waiter.want == WANT_FRESH && message == NULL && strcmp(fault->sqlstate, "28000") == 0;

    client->waiter.want = WANT_POOLED;
    if (!no_password)
        return false;
    if ((client->pins & PIN_BIT(DEDICATED)) == 0) {
        client_enter(client, CLIENT_IDLE);
        reply_error(client, "ERROR", fault);
        client->relay.refused = true;
        stream_resume(&client->stream);
        return true;
    }
    client_enter(client, CLIENT_IDLE);
    stream_resume(&client->stream);
    return true;
}

static void on_failed(struct waiter *waiter, const struct fault *fault, const void *message, size_t bytes)
{
    struct client *client = list_entry(waiter, struct client, waiter);
    struct gateway *gateway = client->worker->gateway;

    policy_unpinned(client);
    if (fall_back(client, fault, message))
        return;
    if (message != NULL) {
        client_refuse_with(client, message, bytes);
        return;
    }
    if (strncmp(fault->message, "query_wait_timeout", 18) == 0)
        atomic_fetch_add_explicit(&gateway->counters.waits_timed_out, 1, memory_order_relaxed);
    else if (strcmp(fault->sqlstate, "57014") != 0) {
        client_refuse(client, fault);
        return;
    }
    client_enter(client, CLIENT_IDLE);
    reply_error(client, "ERROR", fault);
    client->relay.refused = true;
    stream_resume(&client->stream);
}

static void on_queued(struct waiter *waiter, uint64_t waited_us)
{
    struct client *client = list_entry(waiter, struct client, waiter);
    struct fault fault;

    fault_set(&fault, "00000", "query_wait_notify: no server connection is free; waiting for %llu ms so far",
              (unsigned long long)(waited_us / 1000));
    fault_hint(&fault, "The query is executed as soon as one is, or refused after query_wait_timeout.");
    atomic_fetch_add_explicit(&client->worker->gateway->counters.waits_notified, 1, memory_order_relaxed);
    reply_notice(client, &fault);
}

/* currval and lastval of an earlier transaction are on the server that it used, as long as nobody else
 * changed anything there. */
static struct server *take_last(struct client *client)
{
    struct server *server;

    if (client->waiter.only == 0)
        return NULL;
    server = pool_take_only(client->shard, &client->waiter);
    client->waiter.only = 0;
    return server;
}

/* A new transaction must not begin on a host that has lost its role. What PostgreSQL still says to questions
 * of ours is waited for; whoever cannot leave the server loses the session with it. */
static enum step leave_former_host(struct client *client)
{
    struct server *server = client->server;

    if (server->status != 'I' || client->relay.unsynced || client->relay.copying || client->relay.reserved ||
        !pool_is_former(server))
        return STEP_TAKEN;
    if (server->session->owed.count > 0) {
        relay_barrier(client);
        return STEP_WAIT;
    }
    relay_settle(server);
    if (client->server == NULL)
        return STEP_TAKEN;
    relay_server_lost(server, "its host no longer serves this route");
    return STEP_ENDED;
}

enum step relay_need_server(struct client *client)
{
    struct server *server;

    if (client->server != NULL && replay_awaits_name(client)) {
        relay_barrier(client);
        return STEP_WAIT;
    }
    if (client->server != NULL) {
        enum step step = leave_former_host(client);

        if (client->server != NULL || step != STEP_TAKEN)
            return step;
    }
    client->waiter.granted = on_granted;
    client->waiter.failed = on_failed;
    client->waiter.queued = on_queued;
    client->waiter.profile = client->profile;
    client->waiter.settings = client->settings;
    client->waiter.owner = client->id;
    client->waiter.marks = client->marked;
    client->waiter.epoch = client->epoch;
    client->waiter.startup_name = client->identity.startup_name;
    client_enter(client, CLIENT_WAITING);
    server = take_last(client);
    if (server == NULL)
        server = pool_take(client->shard, &client->waiter);
    if (server != NULL)
        relay_link(client, server);
    if (client->server == NULL)
        return client->state == CLIENT_WAITING ? STEP_WAIT : STEP_ENDED;
    return client->relay.reserved ? STEP_WAIT : STEP_TAKEN;
}

void relay_forward(struct client *client, const struct message *message)
{
    stream_forward(&client->server->stream, message->bytes, message->available);
    client->relay.passing = message->frame.size - message->available;
    client->relay.discard = false;
}

bool relay_owe(struct client *client, const struct owed *owed)
{
    client->relay.reserved = false;
    client->relay.replays = 0;
    if (owed_push(&client->server->session->owed, owed))
        return true;
    client->server->retire = true;
    client_close(client, REASON_MEMORY, NULL);
    return false;
}

/* Without a Sync on its way PostgreSQL would keep its answers to itself. */
void relay_barrier(struct client *client)
{
    static const unsigned char flush[] = {'H', 0, 0, 0, 4};

    if (client->relay.unsynced)
        stream_send(&client->server->stream, flush, sizeof flush);
    client->relay.barrier = true;
}

/* Nothing of this session is left in the server or on its way. */
static bool is_clean(const struct server *server)
{
    const struct server_session *session = server->session;

    return session->owed.count == 0 && server->status == 'I' && session->passing == 0 &&
           server->cancels == 0 && session->unread == 0;
}

/* Nor is the client in the middle of something. */
static bool is_between(const struct client *client)
{
    const struct relay *relay = &client->relay;

    return relay->passing == 0 && !relay->unsynced && !relay->copying && !relay->skip_to_sync &&
           !relay->reserved;
}

static void release(struct client *client)
{
    struct server *server = client->server;

    client->server = NULL;
    server->client = NULL;
    policy_unpinned(client);
    client_enter(client, CLIENT_IDLE);
    if (server->retire || server->dedicated || server->session->names_unseen)
        server_close(server, "it served a session that may have left traces");
    else
        pool_give(server);
    if (client->worker->passages.draining)
        leave_begin(client);
    if (client->stream.kept_used > 0)
        stream_resume(&client->stream);
}

static void settle_orphan(struct server *server)
{
    if (!is_clean(server))
        return;
    server->session->cleaning_since_us = 0;
    if (server->retire)
        server_close(server, "it could not be cleaned");
    else
        pool_give(server);
}

void relay_settle(struct server *server)
{
    struct client *client = server->client;

    if (server->state != SERVER_ACTIVE)
        return;
    if (client == NULL) {
        settle_orphan(server);
        return;
    }
    if (client->relay.barrier && server->session->owed.count == 0) {
        client->relay.barrier = false;
        if (!replay_reset_name(client))
            return;
        stream_resume(&client->stream);
    }
    if (is_clean(server) && is_between(client) && notify_settled(client) && state_is_settled(client) &&
        relay_names_back(client))
        release(client);
}

void relay_let_go(struct client *client)
{
    struct server *server = client->server;
    struct server_session *session = server->session;
    bool within = client->relay.passing > 0 || client->relay.copying || client->relay.unsynced ||
                  notify_keeps(client) || state_is_open(client);

    if (session != NULL && (session->materials.count > 0 || session->names_unseen))
        server->retire = true;
    client->server = NULL;
    server->client = NULL;
    if (session != NULL && session->owed.count == 0 && !within && session->passing == 0 &&
        !server->dedicated && client->pins == 0 && !server->retire && server->status != 'I' &&
        relay_send_ours(server, "ROLLBACK", PURPOSE_PLAIN)) {
        session->cleaning_since_us = server->shard->thread->now_us;
        atomic_fetch_add_explicit(&client->worker->gateway->counters.servers_rolled_back, 1,
                                  memory_order_relaxed);
        return;
    }
    if (session != NULL && is_clean(server) && !within && client->pins == 0 && !server->retire &&
        !server->dedicated) {
        pool_give(server);
        return;
    }
    if (session != NULL && (session->owed.count > 0 || client->relay.copying))
        relay_cancel_backend(server);
    server_close(server, "its client left in the middle of something");
}

bool relay_busy(const struct client *client)
{
    return client->server != NULL && (client->server->status != 'I' || client->relay.unsynced ||
                                      client->relay.passing > 0 || client->server->session->owed.count > 0);
}

void relay_server_lost(struct server *server, const char *what)
{
    struct client *client = server->client;
    bool said_fatal = server->session != NULL && server->session->said_fatal;

    if (client == NULL) {
        server_close(server, what);
        return;
    }
    client->server = NULL;
    server->client = NULL;
    server_close(server, what);
    client_close(client, said_fatal ? REASON_SERVER_SAID_FATAL : REASON_SERVER_GONE, what);
}

void relay_begin(struct client *client)
{
    client->stream.events = &relay_client_events;
    client_enter(client, CLIENT_IDLE);
}
