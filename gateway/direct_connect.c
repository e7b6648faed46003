/* SPDX-License-Identifier: PostgreSQL
 * direct_connect - the server side of a direct session until the startup packet is sent: where, encrypted or
 * not, with what packet, and why it failed. */
#include <errno.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/fault.h"
#include "gateway/base/log.h"
#include "gateway/client.h"
#include "gateway/direct_login.h"
#include "gateway/gateway.h"
#include "gateway/login.h"
#include "gateway/net/socket.h"
#include "gateway/net/stream_secure.h"
#include "gateway/wire/write.h"
#include "gateway/worker.h"

/* How often a session looks whether its database is still paused, or a host there. */
enum { HELD_RETRY_US = 200000 };

static void begin_session(struct direct *direct)
{
    direct->begun = true;
    stream_send(&direct->server, direct->packet, direct->packet_bytes);
    stream_resume(&direct->client->stream);
}

struct upstream *direct_upstream(const struct client *client)
{
    return upstreams_find(client->generation->upstreams, client->verdict.route->upstream);
}

static void go_on(struct direct *direct, enum encrypt_step step, const struct fault *fault)
{
    if (step == ENCRYPT_READY)
        begin_session(direct);
    else if (step == ENCRYPT_FAILED)
        client_refuse(direct->client, fault);
}

void direct_tls_answer(struct direct *direct, const unsigned char *bytes, size_t length)
{
    struct upstream *upstream = direct_upstream(direct->client);
    struct fault fault;

    go_on(direct, encrypt_received(&direct->encryption, &direct->server, upstream, bytes, length, &fault),
          &fault);
}

void direct_secured(struct stream *stream)
{
    begin_session(list_entry(stream, struct direct, server));
}

static void encrypt_server(struct direct *direct)
{
    struct fault fault;

    direct->begun = false;
    if (direct->unseen) {
        direct->state = DIRECT_OPEN;
        begin_session(direct);
        return;
    }
    go_on(direct,
          encrypt_begin(&direct->encryption, &direct->server, direct_upstream(direct->client), &fault),
          &fault);
}

bool direct_again(struct direct *direct)
{
    struct fault fault;
    int fd;

    if (direct->heard || !encrypt_again(&direct->encryption, &direct->server))
        return false;
    fd = socket_connect(&direct->encryption.place.address, &fault);
    if (fd < 0)
        return false;
    stream_reopen(&direct->server, fd);
    encrypt_server(direct);
    return true;
}

void direct_explain_end(const struct direct *direct, int error, struct fault *fault)
{
    char where[ADDRESS_TEXT_BYTES];

    address_print(&direct->encryption.place.address, where, sizeof where);
    if (error == EPROTO) {
        fault_set(fault, "28000", "could not connect to PostgreSQL at %s: %s", where,
                  stream_failure(&direct->server));
        fault_hint(fault, "Look at server_tls_sslmode, server_tls_ca_file and PostgreSQL's certificate.");
        log_warn(direct->client->worker->thread.who, "client=%llu %s", (unsigned long long)direct->client->id,
                 fault->message);
        return;
    }
    fault_set(fault, "08001", "could not connect to PostgreSQL at %s: %s", where,
              error == 0 ? "it closed the connection" : strerror(error));
}

/* While no host is what the route wants, a primary may be on its way: false when that took too long. */
static bool wait_for_host(struct direct *direct, const struct pool_options *options,
                          const struct fault *fault)
{
    uint64_t now_us = clock_now_us(), limit_us = options->query_wait_timeout_us;

    if (strcmp(fault->sqlstate, "57P03") != 0 || (limit_us > 0 && now_us > direct->began_us + limit_us))
        return false;
    direct->state = DIRECT_RETRYING;
    direct->retry_at_us = now_us + HELD_RETRY_US;
    list_append(&direct->client->worker->retries, &direct->link);
    return true;
}

void direct_connect(struct direct *direct)
{
    struct client *client = direct->client;
    const struct pool_options *options = &client->verdict.route->pool;
    const struct wish wish = {options->target, options->max_lag_us};
    struct fault fault;
    int fd = -1;

    list_remove(&direct->link);
    if (pools_paused(&client->worker->gateway->pools, client->identity.database)) {
        direct->retry_at_us = clock_now_us() + HELD_RETRY_US;
        list_append(&client->worker->retries, &direct->link);
        return;
    }
    direct->encryption = (struct encryption){.plain_leg = client->stream.tls != NULL};
    if (upstream_place(direct_upstream(client), &wish, direct->attempt, &direct->encryption.place, &fault))
        fd = socket_connect(&direct->encryption.place.address, &fault);
    else if (wait_for_host(direct, options, &fault))
        return;
    if (fd < 0) {
        client_refuse(client, &fault);
        return;
    }
    budget_follow(&direct->slot, direct->encryption.place.host->budget);
    direct->state = DIRECT_LOGIN;
    direct->abandoned = false;
    stream_open(&direct->server, &client->worker->engine, fd, &direct_server_events);
    direct->server_open = true;
    direct->opened_us = clock_now_us();
    if (!direct->unseen)
        list_append(&client->worker->openings, &direct->link);
    encrypt_server(direct);
}

/* The client's own packet, with the route's settings that it does not set itself behind its parameters. */
size_t direct_build_packet(const struct client *client, const unsigned char *packet, size_t bytes,
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
