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
#include "gateway/reply.h"
#include "gateway/session/owed.h"
#include "gateway/wire/write.h"
#include "gateway/worker.h"

/* How long a ROLLBACK for a client that left may take. */
enum { CLEANING_LIMIT_US = 10000000 };

void relay_pin(struct client *client, enum pin_reason reason)
{
    if (client->pin != PIN_NONE)
        return;
    client->pin = reason;
    atomic_fetch_add_explicit(&client->worker->gateway->counters.sessions_pinned, 1, memory_order_relaxed);
    log_debug(client->worker->thread.who, "client=%llu keeps its server connection: %s",
              (unsigned long long)client->id, pin_reason_name(reason));
}

/* A query of our own in front of the client's: its answers are swallowed. */
static bool send_ours(struct server *server, const char *sql)
{
    const struct owed owed = {.kind = OWED_QUERY, .ours = true};
    unsigned char message[512];
    struct builder builder;

    builder_init(&builder, message, sizeof message);
    write_query(&builder, sql);
    if (!builder_ok(&builder) || !owed_push(&server->session->owed, &owed))
        return false;
    stream_send(&server->stream, builder.bytes, builder.used);
    server->session->unnamed_of = 0;
    return true;
}

/* application_name is the one startup parameter that is replayed instead of being part of the profile.
 * PostgreSQL itself makes everything but printable ASCII a question mark. */
static bool replay_application_name(struct client *client, struct server *server)
{
    char wanted[APPLICATION_NAME_BYTES], sql[2 * APPLICATION_NAME_BYTES + 40];
    size_t used = 0;

    snprintf(wanted, sizeof wanted, "%s", client->identity.application_name);
    for (char *at = wanted; *at != '\0'; at++)
        *at = *at < 32 || *at > 126 ? '?' : *at;
    if (strcmp(wanted, server->application_name) == 0)
        return true;
    used = (size_t)snprintf(sql, sizeof sql, "SET application_name = E'");
    for (const char *at = wanted; *at != '\0'; at++) {
        if (*at == '\'' || *at == '\\')
            sql[used++] = *at;
        sql[used++] = *at;
    }
    memcpy(sql + used, "'", 2);
    strcpy(server->application_name, wanted);
    return send_ours(server, sql);
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
    client_enter(client, CLIENT_ACTIVE);
    if (client->pin == PIN_DEDICATED)
        take_out_of_pool(server);
    if (server->session == NULL || !replay_application_name(client, server))
        client_close(client, REASON_MEMORY, NULL);
}

static void on_granted(struct waiter *waiter, struct server *server)
{
    struct client *client = list_entry(waiter, struct client, waiter);

    client->relay.dedicated =
        waiter->want == WANT_FRESH && client->names.table.count == 0 && !client->unnamed.known;
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
    if (client->pin != PIN_DEDICATED) {
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

bool relay_need_server(struct client *client)
{
    struct server *server;

    if (client->server != NULL)
        return true;
    client->waiter.granted = on_granted;
    client->waiter.failed = on_failed;
    client->waiter.profile = client->profile;
    client->waiter.application_name = client->identity.application_name;
    client_enter(client, CLIENT_WAITING);
    server = pool_take(client->shard, &client->waiter);
    if (server != NULL)
        relay_link(client, server);
    return client->server != NULL;
}

void relay_forward(struct client *client, const struct message *message)
{
    stream_forward(&client->server->stream, message->bytes, message->available);
    client->relay.passing = message->frame.size - message->available;
    client->relay.discard = false;
}

bool relay_owe(struct client *client, const struct owed *owed)
{
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

static bool may_release(const struct client *client)
{
    const struct relay *relay = &client->relay;

    return client->pin == PIN_NONE && relay->passing == 0 && !relay->unsynced && !relay->copying &&
           !relay->skip_to_sync && client->server->session->differing_count == 0;
}

static void release(struct client *client)
{
    struct server *server = client->server;

    client->server = NULL;
    server->client = NULL;
    client_enter(client, CLIENT_IDLE);
    if (server->retire || server->dedicated)
        server_close(server, "it served a session that may have left traces");
    else
        pool_give(server);
    if (client->stream.kept_used > 0)
        stream_resume(&client->stream);
}

static void settle_orphan(struct server *server)
{
    if (!is_clean(server))
        return;
    server->session->cleaning_since_us = 0;
    if (server->retire || server->session->differing_count > 0)
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
        stream_resume(&client->stream);
    }
    if (is_clean(server) && client->pin == PIN_NONE && server->session->differing_count > 0 &&
        !client->relay.unsynced)
        relay_pin(client, PIN_PARAMETER_STATUS);
    if (is_clean(server) && may_release(client))
        release(client);
}

/* One cancel request on its way, and who is told when it arrived. */
struct cancelling {
    struct server *server;
    void (*done)(void *owner);
    void *owner;
};

static void cancel_done(void *owner)
{
    struct cancelling cancelling = *(struct cancelling *)owner;
    bool closed = cancelling.server->state == SERVER_CLOSED;

    free(owner);
    cancelling.done(cancelling.owner);
    server_cancel_done(cancelling.server);
    if (!closed)
        relay_settle(cancelling.server);
}

static void nobody_waits(void *owner)
{
    (void)owner;
}

static void cancel_backend(struct server *server, void (*done)(void *owner), void *owner)
{
    struct worker *worker = list_entry(server->shard->thread, struct worker, thread);
    struct cancelling *cancelling = server->secret_bytes == 0 ? NULL : malloc(sizeof *cancelling);
    struct cancel_request request;

    if (cancelling == NULL) {
        done(owner);
        return;
    }
    *cancelling = (struct cancelling){server, done, owner};
    server->cancels++;
    atomic_fetch_add_explicit(&worker->gateway->counters.cancels_delivered, 1, memory_order_relaxed);
    request =
        (struct cancel_request){&server->address, server->backend_pid, server->secret, server->secret_bytes};
    cancel_deliver(&worker->engine, &worker->cancels, &request, cancel_done, cancelling);
}

void relay_let_go(struct client *client)
{
    struct server *server = client->server;
    struct server_session *session = server->session;
    bool within = client->relay.passing > 0 || client->relay.copying || client->relay.unsynced;

    client->server = NULL;
    server->client = NULL;
    if (session != NULL && session->owed.count == 0 && !within && session->passing == 0 &&
        !server->dedicated && client->pin == PIN_NONE && !server->retire && server->status != 'I' &&
        send_ours(server, "ROLLBACK")) {
        session->cleaning_since_us = server->shard->thread->now_us;
        atomic_fetch_add_explicit(&client->worker->gateway->counters.servers_rolled_back, 1,
                                  memory_order_relaxed);
        return;
    }
    if (session != NULL && is_clean(server) && !within && client->pin == PIN_NONE && !server->retire &&
        !server->dedicated && session->differing_count == 0) {
        pool_give(server);
        return;
    }
    if (session != NULL && (session->owed.count > 0 || client->relay.copying))
        cancel_backend(server, nobody_waits, NULL);
    server_close(server, "its client left in the middle of something");
}


bool relay_cancel(struct client *client, void (*done)(void *owner), void *owner)
{
    struct fault fault;

    if (client->state == CLIENT_WAITING) {
        pool_leave(client->shard, &client->waiter);
        fault_set(&fault, "57014", "canceling statement due to user request");
        on_failed(&client->waiter, &fault, NULL, 0);
        done(owner);
        return true;
    }
    if (client->state != CLIENT_ACTIVE || client->server->session->owed.count == 0) {
        done(owner);
        return false;
    }
    cancel_backend(client->server, done, owner);
    return true;
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

void relay_sweep(struct pool_thread *thread, uint64_t now_us)
{
    list_each(link, following, &thread->shards) {
        struct pool_shard *shard = list_entry(link, struct pool_shard, in_thread);

        list_each(entry, after, &shard->states[SERVER_ACTIVE]) {
            struct server *server = list_entry(entry, struct server, link);

            if (server->client == NULL && server->session != NULL && server->session->cleaning_since_us > 0 &&
                now_us > server->session->cleaning_since_us + CLEANING_LIMIT_US)
                server_close(server, "its ROLLBACK took too long");
        }
    }
}
