/* SPDX-License-Identifier: PostgreSQL
 * connect - opens a server: connect, startup, authentication, parameters, ReadyForQuery.
 * Reads like the manual's "Message Flow, Start-up"; anything but the expected message ends the login. */
#include "router/connect.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/fault.h"
#include "gateway/net/socket.h"
#include "gateway/net/stream_secure.h"
#include "gateway/wire/write.h"
#include "router/hosts.h"
#include "router/pool.h"
#include "router/pool_hosts.h"
#include "router/server_login.h"

static void send_startup(struct server *server)
{
    const struct profile *profile = server->profile;
    struct startup_parameter parameters[2 * STARTUP_MAX_PARAMETERS + 4];
    unsigned char packet[STARTUP_MAX_BYTES * 2];
    struct builder builder;
    struct fault fault;
    size_t count = 0;

    parameters[count++] = (struct startup_parameter){"user", server->shard->pool->user};
    parameters[count++] = (struct startup_parameter){"database", server->shard->pool->database};
    for (size_t i = 0; i < profile->count; i++)
        parameters[count++] = profile->parameters[i];
    if (server->application_name[0] != '\0')
        parameters[count++] = (struct startup_parameter){"application_name", server->application_name};
    builder_init(&builder, packet, sizeof packet);
    write_startup(&builder, 3, 0, parameters, count);
    if (builder_ok(&builder)) {
        stream_send(&server->stream, builder.bytes, builder.used);
        return;
    }
    fault_set(&fault, "54000", "the startup parameters and the route's settings together are too long");
    server_login_fail(server, &fault, NULL, 0);
}

static void go_on(struct server *server, enum encrypt_step step, const struct fault *fault)
{
    if (step == ENCRYPT_READY)
        send_startup(server);
    else if (step == ENCRYPT_FAILED)
        server_login_fail(server, fault, NULL, 0);
}

/* The connection is there: whatever comes before the startup packet, then that. */
static void begin_session(struct server *server)
{
    struct fault fault;

    go_on(server,
          encrypt_begin(&server->login->encryption, &server->stream, server->shard->pool->upstream, &fault),
          &fault);
}

/* Once more to the same place, with TLS or without, where server_tls_sslmode leaves both. */
bool connect_again(struct server *server)
{
    struct fault fault;
    int fd;

    if (!encrypt_again(&server->login->encryption, &server->stream))
        return false;
    fd = socket_connect(&server->address, &fault);
    if (fd < 0)
        return false;
    stream_reopen(&server->stream, fd);
    begin_session(server);
    return true;
}

static void on_tls_answer(struct server *server, const unsigned char *bytes, size_t length)
{
    struct fault fault;

    go_on(server,
          encrypt_received(&server->login->encryption, &server->stream, server->shard->pool->upstream, bytes,
                           length, &fault),
          &fault);
}

/* Both sides of SCRAM know the certificate that PostgreSQL showed. */
static void bind_answer(struct server *server)
{
    struct tls_binding binding;

    tls_server_binding(server->stream.tls, &binding);
    answer_init(&server->login->answer, server->shard->pool, binding.bytes, binding.length);
}

static void login_secured(struct stream *stream)
{
    struct server *server = list_entry(stream, struct server, stream);

    bind_answer(server);
    send_startup(server);
}

static size_t login_received(struct stream *stream, const unsigned char *bytes, size_t length)
{
    struct server *server = list_entry(stream, struct server, stream);

    if (!server->login->encryption.asked)
        return server_login_messages(server, bytes, length);
    on_tls_answer(server, bytes, length);
    return length;
}

static void login_drained(struct stream *stream)
{
    (void)stream;
}

static void login_ended(struct stream *stream, int error)
{
    struct server *server = list_entry(stream, struct server, stream);
    char where[ADDRESS_TEXT_BYTES];
    struct fault fault;

    if (!server->login->heard && (error == EPROTO || error == 0) && connect_again(server))
        return;
    address_print(&server->address, where, sizeof where);
    if (error == EPROTO) {
        fault_set(&fault, "28000", "could not connect to PostgreSQL at %s: %s", where,
                  stream_failure(stream));
        fault_hint(&fault, "Look at server_tls_sslmode, server_tls_ca_file and PostgreSQL's certificate.");
    } else if (error != 0) {
        fault_set(&fault, "08001", "could not connect to PostgreSQL at %s: %s", where, strerror(error));
    } else {
        fault_set(&fault, "08001", "PostgreSQL at %s closed the connection during login", where);
    }
    server_login_fail(server, &fault, NULL, 0);
}

static void login_released(struct stream *stream)
{
    struct server *server = list_entry(stream, struct server, stream);

    server_watch_parked(server);
    server->stream.events->released(stream);
}

static const struct stream_events login_stream_events = {.received = login_received,
                                                         .drained = login_drained,
                                                         .secured = login_secured,
                                                         .ended = login_ended,
                                                         .released = login_released};

static void open_failed(const struct login_failure *failure, struct server *server, bool counted,
                        const struct login_events *events, void *owner)
{
    events->failed(failure, owner);
    if (server == NULL) {
        budget_give(&failure->shard->thread->in_hand);
        if (counted)
            atomic_fetch_sub(&failure->shard->pool->open, 1);
        return;
    }
    server_close(server, failure->fault->message);
    free(server->login);
    free(server);
}

/* What the thread has in its hand goes with the server; the host may be another one since. */
static void slot_take(struct server *server, const struct upstream_place *place)
{
    budget_follow(&server->shard->thread->in_hand, place->host->budget);
    budget_pass(&server->shard->thread->in_hand, &server->slot);
}

/* -1 with a fault, as socket_connect. */
static int connect_place(struct server *server, const struct upstream_place *place, struct fault *fault)
{
    int fd = socket_connect(&place->address, fault);

    server->host = place->host;
    server->host_epoch = place->epoch;
    atomic_fetch_add(&place->host->open, 1);
    if (fd < 0)
        host_note(place->host, SAID_NO);
    return fd;
}

struct server *connect_start(struct pool_shard *shard, struct profile *profile, const char *application_name,
                             bool counted, const struct login_events *events, void *owner)
{
    struct server *server = server_new(shard, profile);
    struct wish wish = pool_wish(shard->pool);
    struct upstream_place place;
    struct fault fault;
    int fd = -1;

    if (server == NULL || (server->login = calloc(1, sizeof *server->login)) == NULL)
        fault_set(&fault, "53200", "out of memory");
    else if (upstream_place(shard->pool->upstream, &wish, 0, &place, &fault))
        fd = connect_place(server, &place, &fault);
    if (server != NULL) {
        server->counted = counted;
        if (fd >= 0)
            slot_take(server, &place);
        else
            budget_pass(&shard->thread->in_hand, &server->slot);
    }
    if (fd < 0) {
        struct login_failure failure = {shard, profile, &fault, NULL, 0};

        open_failed(&failure, server, counted, events, owner);
        return NULL;
    }
    server->login->events = events;
    server->login->owner = owner;
    server->login->started_us = clock_now_us();
    server->login->encryption = (struct encryption){.place = place, .plain_leg = events->plain_leg};
    server->address = place.address;
    if (application_name != NULL)
        strncpy(server->application_name, application_name, sizeof server->application_name - 1);
    strcpy(server->startup_name, server->application_name);
    answer_init(&server->login->answer, shard->pool, NULL, 0);
    stream_open(&server->stream, shard->thread->engine, fd, &login_stream_events);
    begin_session(server);
    return server->login == NULL ? NULL : server;
}

void connect_abandon(struct server *server)
{
    server_login_end(server);
    server_close(server, "whoever waited for it is gone");
}

static bool is_overdue(const struct server *server, uint64_t limit_us, uint64_t now_us, struct fault *fault)
{
    char where[ADDRESS_TEXT_BYTES];

    address_print(&server->address, where, sizeof where);
    if (pool_login_is_vain(server, server->login->started_us, now_us))
        return !fault_set(fault, "08001", "PostgreSQL at %s went away during a login", where);
    if (limit_us == 0 || now_us < server->login->started_us + limit_us)
        return false;
    return !fault_set(fault, "08001",
                      "server_connect_timeout: PostgreSQL at %s did not finish a login within %llu ms", where,
                      (unsigned long long)(limit_us / 1000));
}

void connect_sweep(struct pool_shard *shard, uint64_t now_us)
{
    const struct pool_options *options = pool_options(shard->pool);
    struct fault fault;

    list_each(link, following, &shard->states[SERVER_CONNECTING]) {
        struct server *server = list_entry(link, struct server, link);

        if (server->login != NULL &&
            is_overdue(server, options->server_connect_timeout_us, now_us, &fault))
            server_login_fail(server, &fault, NULL, 0);
    }
}
