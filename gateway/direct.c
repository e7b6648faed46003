/* SPDX-License-Identifier: PostgreSQL
 * direct - session-mode passthrough. Bytes are copied between two streams; a direction that carries bulk goes
 * over to splice(2) and comes back when it is quiet again. */
#include "gateway/direct.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/fault.h"
#include "gateway/base/log.h"
#include "gateway/client.h"
#include "gateway/direct_login.h"
#include "gateway/gateway.h"
#include "gateway/login.h"
#include "gateway/net/socket.h"
#include "gateway/wire/write.h"
#include "gateway/worker.h"

enum { RETRY_US = 200000, BULK_ARRIVALS = 8 };

static const struct stream_events server_events;

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
    splice_stop(&direct->up.splice);
    splice_stop(&direct->down.splice);
    cancel_keys_remove(&client->worker->gateway->cancel_keys, &direct->key);
    if (direct->server_open) {
        stream_flush(&direct->server); /* the client's Terminate */
        stream_close(&direct->server); /* its `released` frees the memory */
    } else if (!direct->abandoned) {
        direct_free(direct);
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

static void on_splice_ended(void *owner, int error)
{
    struct flow *flow = owner;

    client_close(flow->direct->client, REASON_CLIENT_LEFT, error == 0 ? NULL : strerror(error));
}

static void on_splice_idle(void *owner)
{
    struct flow *flow = owner;

    flow->full_arrivals = 0;
    stream_resume(flow->from);
}

static const struct splice_events splice_events = {.ended = on_splice_ended, .idle = on_splice_idle};

/* Arrivals that fill the whole buffer, one after the other, are bulk. */
static void watch_for_bulk(struct flow *flow, size_t length)
{
    flow->full_arrivals = length == STREAM_CHUNK_BYTES ? flow->full_arrivals + 1 : 0;
    if (flow->full_arrivals < BULK_ARRIVALS)
        return;
    if (stream_backlog(flow->to) > 0)
        stream_flush(flow->to);
    if (stream_backlog(flow->to) > 0)
        return;
    stream_pause(flow->from);
    if (!splice_start(&flow->splice, flow->from->engine->loop, flow->from->fd, flow->to->fd, &splice_events,
                      flow)) {
        flow->full_arrivals = 0;
        stream_resume(flow->from);
    }
}

static size_t pass(struct flow *flow, const unsigned char *bytes, size_t length)
{
    stream_forward(flow->to, bytes, length);
    if (flow->direct->state == DIRECT_OPEN)
        watch_for_bulk(flow, length);
    if (stream_congested(flow->to))
        stream_pause(flow->from);
    return length;
}

static size_t client_received(struct stream *stream, const unsigned char *bytes, size_t length)
{
    struct client *client = list_entry(stream, struct client, stream);

    if (client->direct->server_open)
        return pass(&client->direct->up, bytes, length);
    if (length > STREAM_CHUNK_BYTES)
        stream_pause(stream);
    return 0;
}

static void client_drained(struct stream *stream)
{
    struct direct *direct = list_entry(stream, struct client, stream)->direct;

    if (direct->server_open && !splice_active(&direct->down.splice))
        stream_resume(&direct->server);
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
    direct->abandoned = false;
    direct->retry_at_us = clock_now_us() + RETRY_US;
    list_append(&worker->retries, &direct->link);
}

static size_t server_received(struct stream *stream, const unsigned char *bytes, size_t length)
{
    struct direct *direct = list_entry(stream, struct direct, server);

    if (direct->state == DIRECT_LOGIN)
        return direct_login(direct, bytes, length);
    return pass(&direct->down, bytes, length);
}

static void server_drained(struct stream *stream)
{
    struct direct *direct = list_entry(stream, struct direct, server);

    if (!splice_active(&direct->up.splice))
        stream_resume(&direct->client->stream);
}

static void server_ended(struct stream *stream, int error)
{
    struct direct *direct = list_entry(stream, struct direct, server);
    struct client *client = direct->client;
    char where[ADDRESS_TEXT_BYTES];
    struct fault fault;

    if (direct->heard) {
        client_close(client, REASON_CLIENT_LEFT,
                     error == 0 ? "PostgreSQL closed the connection" : strerror(error));
        return;
    }
    address_print(&direct->address, where, sizeof where);
    fault_set(&fault, "08001", "could not connect to PostgreSQL at %s: %s", where,
              error == 0 ? "it closed the connection" : strerror(error));
    if (++direct->attempt < upstream_addresses(upstreams_find(client->generation->upstreams,
                                                              client->verdict.route->upstream))) {
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

static const struct stream_events server_events = {.received = server_received,
                                                   .drained = server_drained,
                                                   .ended = server_ended,
                                                   .released = server_released};

static void connect_server(struct direct *direct)
{
    struct client *client = direct->client;
    struct upstream *upstream =
        upstreams_find(client->generation->upstreams, client->verdict.route->upstream);
    struct fault fault;
    int fd = -1;

    list_remove(&direct->link);
    if (upstream_address(upstream, direct->attempt, &direct->address, &fault))
        fd = socket_connect(&direct->address, &fault);
    if (fd < 0) {
        client_refuse(client, &fault);
        return;
    }
    direct->state = DIRECT_LOGIN;
    direct->abandoned = false;
    stream_open(&direct->server, &client->worker->engine, fd, &server_events);
    direct->server_open = true;
    stream_send(&direct->server, direct->packet, direct->packet_bytes);
    stream_resume(&client->stream);
}

/* The client's own packet, with the route's settings that it does not set itself behind its parameters. */
static size_t build_packet(const struct client *client, const unsigned char *packet, size_t bytes,
                           unsigned char *out, size_t room)
{
    const struct startup *startup = &client->login->startup;
    const struct pairs *settings = &client->verdict.route->settings;
    struct startup_parameter parameters[2 * STARTUP_MAX_PARAMETERS];
    struct builder builder;
    size_t count = 0;

    if (settings->count == 0 || client->verdict.route->mode != MODE_DIRECT) {
        memcpy(out, packet, bytes);
        return bytes;
    }
    for (size_t i = 0; i < startup->parameter_count; i++)
        parameters[count++] = startup->parameters[i];
    for (size_t i = 0; i < settings->count && count < 2 * STARTUP_MAX_PARAMETERS; i++)
        if (startup_get(startup, settings->items[i].name) == NULL)
            parameters[count++] =
                (struct startup_parameter){settings->items[i].name, settings->items[i].value};
    builder_init(&builder, out, room);
    write_startup(&builder, startup->major, startup->minor, parameters, count);
    return builder_ok(&builder) ? builder.used : 0;
}

void direct_begin(struct client *client, const unsigned char *packet, size_t bytes)
{
    size_t room = 2 * STARTUP_MAX_BYTES;
    struct direct *direct = calloc(1, sizeof *direct + room);
    struct fault fault;

    if (direct == NULL) {
        client_close(client, REASON_MEMORY, NULL);
        return;
    }
    list_init(&direct->link);
    direct->client = client;
    direct->began_us = clock_now_us();
    direct->up = (struct flow){.direct = direct, .from = &client->stream, .to = &direct->server};
    direct->down = (struct flow){.direct = direct, .from = &direct->server, .to = &client->stream};
    direct->packet_bytes = build_packet(client, packet, bytes, direct->packet, room);
    login_abandon(client);
    client->direct = direct;
    client_enter(client, CLIENT_DIRECT);
    client->stream.events = &client_events;
    atomic_fetch_add(&client->worker->gateway->counters.direct_sessions, 1);
    if (direct->packet_bytes == 0) {
        fault_set(&fault, "54000", "the startup parameters and the route's settings together are too long");
        client_refuse(client, &fault);
        return;
    }
    connect_server(direct);
}

void direct_sweep(struct worker *worker, uint64_t now_us)
{
    list_each(link, following, &worker->retries) {
        struct direct *direct = list_entry(link, struct direct, link);

        if (now_us < direct->retry_at_us)
            break;
        connect_server(direct);
    }
}
