/* SPDX-License-Identifier: PostgreSQL
 * direct - session-mode passthrough: the two streams of a direct session, from its beginning to its end. */
#include "gateway/direct.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/admission.h"
#include "gateway/base/clock.h"
#include "gateway/base/fault.h"
#include "gateway/base/log.h"
#include "gateway/client.h"
#include "gateway/direct_login.h"
#include "gateway/gateway.h"
#include "gateway/login.h"
#include "gateway/net/socket.h"
#include "gateway/throttles.h"
#include "gateway/wire/write.h"
#include "gateway/worker.h"
#include "router/linger.h"

enum { RETRY_US = 200000 };

static void direct_free(struct direct *direct)
{
    explicit_bzero(direct->secret, sizeof direct->secret);
    free(direct);
}

static void audit(const struct direct *direct)
{
    const struct client *client = direct->client;
    char peer[ADDRESS_TEXT_BYTES];
    uint64_t to_server, to_client;

    direct_traffic(client, &to_server, &to_client);
    address_print(&client->peer, peer, sizeof peer);
    log_info(client->worker->thread.who,
             "client=%llu direct session ended class=%s route=%s peer=%s user=%s database=%s application=%s "
             "pid=%u to_server=%llu to_client=%llu seconds=%.3f login=%s",
             (unsigned long long)client->id, class_name(client->verdict.class), client->verdict.route->name,
             peer, client->identity.user, client->identity.database, client->identity.application_name,
             direct->backend_pid, (unsigned long long)to_server, (unsigned long long)to_client,
             (double)(clock_now_us() - direct->began_us) / 1e6,
             direct->state == DIRECT_OPEN ? "done" : "failed");
}

void direct_end(struct client *client)
{
    struct direct *direct = client->direct;

    audit(direct);
    client->direct = NULL;
    direct->client = NULL;
    list_remove(&direct->link);
    flow_end(&direct->up);
    flow_end(&direct->down);
    throttles_leave(direct->bulk);
    budget_claim_close(&direct->claim);
    cancel_keys_remove(&client->worker->gateway->cancel_keys, &direct->key);
    if (direct->server_open) {
        stream_flush(&direct->server); /* the client's Terminate */
        linger_start(&client->worker->thread, direct->server.fd, &direct->slot);
        stream_close(&direct->server); /* its `released` frees the memory */
    } else if (!direct->abandoned) {
        budget_give(&direct->slot);
        direct_free(direct);
    } else {
        budget_give(&direct->slot);
    }
}

void direct_traffic(const struct client *client, uint64_t *to_server, uint64_t *to_client)
{
    const struct direct *direct = client->direct;

    *to_server = client->stream.bytes_in + direct->up.splice.bytes;
    *to_client = client->stream.bytes_out + direct->down.splice.bytes;
}

uint32_t direct_backend_pid(const struct client *client)
{
    return client->direct->backend_pid;
}

static size_t client_received(struct stream *stream, const unsigned char *bytes, size_t length)
{
    struct client *client = list_entry(stream, struct client, stream);

    if (client->direct->state == DIRECT_LOGIN && client->direct->offered_plus &&
        !direct_login_answer(client->direct, bytes, length))
        return length;
    if (client->direct->server_open && client->direct->begun)
        return flow_pass(&client->direct->up, bytes, length);
    if (length > STREAM_CHUNK_BYTES)
        stream_pause(stream);
    return 0;
}

static void client_drained(struct stream *stream)
{
    struct direct *direct = list_entry(stream, struct client, stream)->direct;

    if (direct->server_open)
        flow_resume(&direct->down);
}

static void client_ended(struct stream *stream, int error)
{
    client_close(list_entry(stream, struct client, stream), REASON_CLIENT_LEFT,
                 error == 0 ? NULL : strerror(error));
}

static const struct stream_events client_events = {.received = client_received,
                                                   .drained = client_drained,
                                                   .ended = client_ended,
                                                   .released = client_released};

static void retry_later(struct direct *direct)
{
    struct worker *worker = direct->client->worker;

    direct->state = DIRECT_RETRYING;
    list_remove(&direct->link);
    direct->abandoned = false;
    direct->retry_at_us = clock_now_us() + RETRY_US;
    list_append(&worker->retries, &direct->link);
}

static size_t server_received(struct stream *stream, const unsigned char *bytes, size_t length)
{
    struct direct *direct = list_entry(stream, struct direct, server);

    if (direct->encryption.asked) {
        direct_tls_answer(direct, bytes, length);
        return length;
    }
    if (direct->state == DIRECT_LOGIN)
        return direct_login(direct, bytes, length);
    return flow_pass(&direct->down, bytes, length);
}

static void server_drained(struct stream *stream)
{
    struct direct *direct = list_entry(stream, struct direct, server);

    flow_resume(&direct->up);
}

static void server_ended(struct stream *stream, int error)
{
    struct direct *direct = list_entry(stream, struct direct, server);
    struct client *client = direct->client;
    struct fault fault;

    if (direct->heard) {
        client_close(client, REASON_CLIENT_LEFT,
                     error == 0 ? "PostgreSQL closed the connection" : strerror(error));
        return;
    }
    if ((error == EPROTO || error == 0) && direct_again(direct))
        return;
    direct_explain_end(direct, error, &fault);
    if (error != EPROTO && ++direct->attempt < upstream_addresses(direct_upstream(client))) {
        direct->server_open = false;
        direct->abandoned = true;
        stream_close(stream);
        return;
    }
    client_refuse(client, &fault);
}

/* Either the session is over, or this was an attempt that PostgreSQL had no room for. */
static void server_released(struct stream *stream)
{
    struct direct *direct = list_entry(stream, struct direct, server);

    if (direct->client == NULL)
        direct_free(direct);
    else
        retry_later(direct);
}

const struct stream_events direct_server_events = {.received = server_received,
                                                   .drained = server_drained,
                                                   .secured = direct_secured,
                                                   .ended = server_ended,
                                                   .released = server_released};

/* Login is over as far as the gateway is concerned: the client is a direct session. False: out of memory. */
static bool become_direct(struct client *client, size_t room)
{
    struct direct *direct = calloc(1, sizeof *direct + room);

    if (direct != NULL)
        direct->bulk = throttles_enter(&client->worker->gateway->throttles, client->verdict.route);
    if (direct == NULL || direct->bulk == NULL) {
        free(direct);
        client_close(client, REASON_MEMORY, NULL);
        return false;
    }
    list_init(&direct->link);
    if (strcmp(client->identity.application_name, "dropdb") == 0 ||
        strcmp(client->identity.application_name, "createdb") == 0)
        pools_close_all_idle(&client->worker->gateway->pools);
    direct->client = client;
    direct->share = SHARE_DIRECT;
    direct->began_us = clock_now_us();
    flow_init(&direct->up, direct, &client->stream, &direct->server);
    flow_init(&direct->down, direct, &direct->server, &client->stream);
    client->direct = direct;
    atomic_fetch_add(&client->worker->gateway->counters.direct_sessions, 1);
    return true;
}

static void leave_login(struct client *client)
{
    login_abandon(client);
    client_enter(client, CLIENT_DIRECT);
    client->stream.events = &client_events;
}

void direct_begin(struct client *client, const unsigned char *packet, size_t bytes)
{
    size_t room = 2 * STARTUP_MAX_BYTES;
    struct fault fault;

    if (!admission_enters(client) || !become_direct(client, room))
        return;
    client->direct->packet_bytes = direct_build_packet(client, packet, bytes, client->direct->packet, room);
    if (client->login->startup.replication != REPLICATION_NONE)
        client->direct->share = SHARE_REPLICATION;
    leave_login(client);
    if (client->direct->packet_bytes == 0) {
        fault_set(&fault, "54000", "the startup parameters and the route's settings together are too long");
        client_refuse(client, &fault);
        return;
    }
    direct_admit(client->direct);
}

void direct_pass_on(struct client *client, const unsigned char *bytes, size_t length)
{
    if (!admission_enters(client) || !become_direct(client, length))
        return;
    client->direct->unseen = true;
    memcpy(client->direct->packet, bytes, length);
    client->direct->packet_bytes = length;
    leave_login(client);
    direct_admit(client->direct);
}

/* PostgreSQL, or what listens there, took the connection and says nothing. */
static void sweep_openings(struct worker *worker, uint64_t now_us)
{
    char where[ADDRESS_TEXT_BYTES];
    struct fault fault;

    list_each(link, following, &worker->openings) {
        struct direct *direct = list_entry(link, struct direct, link);
        uint64_t limit_us = direct->client->verdict.route->pool.server_connect_timeout_us;

        if (limit_us == 0 || now_us < direct->opened_us + limit_us)
            continue;
        address_print(&direct->encryption.place.address, where, sizeof where);
        fault_set(&fault, "08001", "server_connect_timeout: PostgreSQL at %s said nothing for %llu ms", where,
                  (unsigned long long)(limit_us / 1000));
        client_refuse(direct->client, &fault);
    }
}

void direct_sweep(struct worker *worker, uint64_t now_us)
{
    list_each(link, following, &worker->retries) {
        struct direct *direct = list_entry(link, struct direct, link);

        if (now_us < direct->retry_at_us)
            break;
        direct_admit(direct);
    }
    direct_serve(worker);
    sweep_openings(worker, now_us);
}
