/* SPDX-License-Identifier: PostgreSQL
 * login - from the first byte to ReadyForQuery. One startup packet, at most one SSLRequest and one
 * GSSENCRequest before it; anything but the one expected message ends the connection. */
#include "gateway/login.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/admin/console.h"
#include "gateway/admission.h"
#include "gateway/authenticate.h"
#include "gateway/base/arena.h"
#include "gateway/base/fault.h"
#include "gateway/base/log.h"
#include "gateway/client.h"
#include "gateway/direct.h"
#include "gateway/gateway.h"
#include "gateway/login_tls.h"
#include "gateway/net/stream_secure.h"
#include "gateway/relay.h"
#include "gateway/reply.h"
#include "gateway/requester.h"
#include "gateway/secrets.h"
#include "gateway/takeover/courier.h"
#include "gateway/welcome.h"
#include "gateway/wire/frame.h"
#include "gateway/wire/write.h"
#include "gateway/worker.h"

enum { ANSWER_MAX_BYTES = 65535, SECRET_BYTES_3_0 = 4 };

void login_begin(struct client *client)
{
    const struct snapshot *snapshot = client->generation->snapshot;

    client->login = calloc(1, sizeof *client->login);
    if (client->login == NULL || (client->login->arena = arena_new()) == NULL) {
        client_close(client, REASON_MEMORY, NULL);
        return;
    }
    ev_init(&client->login->held, NULL);
    client->login->auth_type = snapshot->auth.type;
    (void)admission_arrives(client);
}

void login_abandon(struct client *client)
{
    struct login *login = client->login;

    if (login->queued)
        pool_leave(client->shard, &client->waiter);
    login->queued = false;
    ev_timer_stop(client->worker->loop, &login->held);
    auth_driver(login->auth_type)->end(client);
    secrets_end(client);
    client->login = NULL;
    if (login->arena != NULL)
        arena_free(login->arena);
    explicit_bzero(login, sizeof *login);
    free(login);
}

bool login_remember_identity(struct client *client, const struct startup *startup)
{
    char application_name[STARTUP_NAME_BYTES];
    size_t user = strlen(startup->user) + 1, database = strlen(startup->database) + 1;
    struct fault notice;
    char *memory;

    startup_clean_name(startup->application_name, application_name, &notice);
    memory = malloc(user + database + strlen(application_name) + 1);
    if (memory == NULL)
        return false;
    client->identity.user = strcpy(memory, startup->user);
    client->identity.database = strcpy(memory + user, startup->database);
    client->identity.startup_name = strcpy(memory + user + database, application_name);
    client->identity.application_name = client->identity.startup_name;
    return true;
}

/* Newer minor versions and options that are not known are answered once, before the authentication. */
static void negotiate(struct client *client)
{
    struct login *login = client->login;
    const char *unknown[STARTUP_MAX_PARAMETERS];
    unsigned char message[STARTUP_MAX_BYTES + 64];
    struct builder builder;
    size_t count = 0;

    login->minor = login->startup.minor >= 2 ? 2 : 0;
    if (login->minor == login->startup.minor && !login->startup.unknown_protocol_options)
        return;
    for (size_t i = 0; i < login->startup.parameter_count; i++)
        if (strncmp(login->startup.parameters[i].name, "_pq_.", 5) == 0)
            unknown[count++] = login->startup.parameters[i].name;
    builder_init(&builder, message, sizeof message);
    write_negotiate_version(&builder, login->minor, unknown, count);
    if (builder_ok(&builder))
        stream_send(&client->stream, builder.bytes, builder.used);
}

static void log_route(const struct client *client)
{
    char peer[ADDRESS_TEXT_BYTES];

    address_print(&client->peer, peer, sizeof peer);
    log_info(client->worker->thread.who,
             "client=%llu class=%s route=%s mode=%s why=\"%s\" listener=%s peer=%s user=%s database=%s",
             (unsigned long long)client->id, class_name(client->verdict.class), client->verdict.route->name,
             mode_name(client->verdict.mode), client->verdict.why, client->listener->name, peer,
             client->identity.user, client->identity.database);
}

static void authenticate(struct client *client)
{
    client_enter(client, CLIENT_AUTHENTICATING);
    negotiate(client);
    auth_driver(client->login->auth_type)->start(client);
}

/* A console login that is relayed proves itself to the database "postgres". */
static bool find_pool(struct client *client)
{
    const struct route_options *route = client->verdict.route;
    const char *database = client->verdict.class == CLASS_ADMIN ? "postgres" : client->identity.database;
    const char *user = route->user == NULL ? client->identity.user : route->user;
    struct worker *worker = client->worker;
    struct fault fault;

    client->pool = pools_get(&worker->gateway->pools, database, user, route,
                             upstreams_find(client->generation->upstreams, route->upstream));
    if (client->pool == NULL) {
        client_close(client, REASON_MEMORY, NULL);
        return false;
    }
    client->shard = pool_shard(client->pool, &worker->thread);
    client->profile = profiles_intern(&client->pool->profiles, &client->login->startup, &route->settings);
    if (client->profile != NULL)
        return true;
    fault_set(&fault, "54000", "this pool has %d different sets of startup parameters already", PROFILES_MAX);
    fault_hint(&fault, "Let clients connect with the same parameters, or use a direct port.");
    client_refuse(client, &fault);
    return false;
}

static bool is_enabled(struct client *client)
{
    const char *database = client->identity.database;
    struct fault fault;

    if (client->verdict.class == CLASS_ADMIN || !pools_disabled(&client->worker->gateway->pools, database))
        return true;
    fault_set(&fault, "55000", "database \"%s\" is not currently accepting connections", database);
    fault_hint(&fault, "An operator disabled it; ENABLE on the console lets clients in again.");
    client_refuse(client, &fault);
    return false;
}

/* TLS goes end to end: the route is chosen by listener and address alone. */
static bool classify_unseen(const struct client *client, struct verdict *verdict, struct fault *fault)
{
    const struct startup nothing = {.major = 3, .user = "", .database = "", .application_name = ""};
    const struct connection_facts facts = {
        .startup = &nothing, .listener = client->listener, .address = &client->peer.any, .tls = true};

    classify(client->generation->snapshot, &facts, verdict, fault);
    return !verdict->refused;
}

static void pass_through(struct client *client, const unsigned char *bytes, size_t length)
{
    struct fault fault;

    client->login->startup = (struct startup){.major = 3, .user = "", .database = "", .application_name = ""};
    if (!login_remember_identity(client, &client->login->startup)) {
        client_close(client, REASON_MEMORY, NULL);
    } else if (!classify_unseen(client, &client->verdict, &fault)) {
        client_refuse(client, &fault);
    } else if (admission_begins(client)) {
        log_route(client);
        direct_pass_on(client, bytes, length);
    }
}

static void route_session(struct client *client, const unsigned char *packet, size_t bytes)
{
    struct login *login = client->login;
    const struct connection_facts facts = {.startup = &login->startup,
                                           .listener = client->listener,
                                           .address = &client->peer.any,
                                           .tls = client->stream.tls != NULL};
    struct fault fault;

    classify(client->generation->snapshot, &facts, &client->verdict, &fault);
    atomic_fetch_add_explicit(&client->generation->route_hits[client->verdict.route->index], 1,
                              memory_order_relaxed);
    if (client->verdict.refused) {
        client_refuse(client, &fault);
        return;
    }
    if (!is_enabled(client) || !admission_begins(client))
        return;
    log_route(client);
    if (client->verdict.mode != MODE_DIRECT || client->verdict.class == CLASS_ADMIN) {
        if (find_pool(client))
            authenticate(client);
    } else if (login->auth_type != AUTH_HBA) {
        direct_begin(client, packet, bytes);
    } else { /* PostgreSQL asks for the password, but the rules say who gets there */
        login->packet = (unsigned char *)arena_copy(login->arena, (const char *)packet, bytes);
        login->packet_bytes = bytes;
        client_enter(client, CLIENT_AUTHENTICATING);
        auth_hba.start(client);
    }
}

/* On a listener that passes TLS through, PostgreSQL alone knows the keys. */
static bool unseen_target(const struct client *client, struct cancel_target *target)
{
    struct upstream_place place;
    struct verdict verdict;
    struct fault fault;

    if (client->listener->tls != LISTENER_PASSES_THROUGH || !classify_unseen(client, &verdict, &fault) ||
        !upstream_place(upstreams_find(client->generation->upstreams, verdict.route->upstream), NULL, 0,
                        &place, &fault))
        return false;
    *target = (struct cancel_target){.direct = true, .backend = place.address};
    return true;
}

/* The requester hears of the end when PostgreSQL has the request; the session itself ends here. */
static void on_cancel(struct client *client, const struct startup *startup)
{
    struct gateway *gateway = client->worker->gateway;
    const struct cancel_request request = {.pid = startup->cancel_pid,
                                           .secret = startup->cancel_key,
                                           .bytes = startup->cancel_key_bytes};
    struct cancel_target target;

    if (cancel_keys_find(&gateway->cancel_keys, request.pid, request.secret, request.bytes, &target) ||
        unseen_target(client, &target))
        courier_deliver(client->worker, &target, &request, requester_keep(&client->stream));
    else if (atomic_load(&gateway->links) > 0)
        courier_pass_on(gateway, &request, requester_keep(&client->stream), COURIER_TO_ALL);
    else
        atomic_fetch_add(&gateway->counters.cancels_ignored, 1);
    client_close(client, REASON_CANCEL_DONE, NULL);
}

static size_t on_startup(struct client *client, const unsigned char *bytes, size_t length)
{
    struct login *login = client->login;
    struct fault fault;
    size_t used = 0;

    if (login_is_tls_record(client, bytes)) {
        if (client->listener->tls == LISTENER_PASSES_THROUGH)
            pass_through(client, bytes, length);
        else
            login_direct_tls(client, bytes, length);
        return length;
    }
    switch (startup_parse(bytes, length, login->arena, &login->startup, &used, &fault)) {
    case STARTUP_SHORT:
        return 0;
    case STARTUP_BAD:
        client_refuse(client, &fault);
        return length;
    case STARTUP_OK:
        break;
    }
    switch (login->startup.kind) {
    case STARTUP_SSL:
        if (client->listener->tls == LISTENER_PASSES_THROUGH) {
            pass_through(client, bytes, length);
            return length;
        }
        login_encryption_request(client, STARTUP_SSL, used == length);
        break;
    case STARTUP_GSS:
        login_encryption_request(client, login->startup.kind, used == length);
        break;
    case STARTUP_CANCEL:
        on_cancel(client, &login->startup);
        break;
    case STARTUP_SESSION:
        if (!login_encryption_suffices(client))
            break;
        if (!login_remember_identity(client, &login->startup))
            client_close(client, REASON_MEMORY, NULL);
        else
            route_session(client, bytes, used);
        break;
    }
    return used;
}

static size_t on_answer(struct client *client, const unsigned char *bytes, size_t length)
{
    const struct auth_driver *auth;
    struct frame frame;
    enum frame_result result = frame_peek(bytes, length, &frame);

    if (result == FRAME_SHORT)
        return 0;
    if (result == FRAME_BAD || frame.type != 'p' || !client->login->answer_expected ||
        frame.size > ANSWER_MAX_BYTES) {
        client_close(client, frame.type == 'X' && result == FRAME_OK ? REASON_CLIENT_LEFT : REASON_PROTOCOL,
                     "expected a password message");
        return length;
    }
    if (frame.size > length)
        return 0;
    client->login->answer_expected = false;
    auth = auth_driver(client->login->auth_type);
    auth->answer(client, bytes + FRAME_HEADER_BYTES, frame.size - FRAME_HEADER_BYTES);
    return frame.size;
}

static size_t login_received(struct stream *stream, const unsigned char *bytes, size_t length)
{
    struct client *client = list_entry(stream, struct client, stream);
    size_t used = 0, here = 1;

    while (used < length && here > 0) {
        if (client->state == CLIENT_STARTUP)
            here = on_startup(client, bytes + used, length - used);
        else if (client->state == CLIENT_AUTHENTICATING && client->login != NULL)
            here = on_answer(client, bytes + used, length - used);
        else
            here = 0;
        if (stream->fd < 0 || client->state == CLIENT_ENDING)
            return length;
        used += here;
    }
    if (stream->events != &login_stream_events && used < length)
        stream_resume(stream); /* the rest is for whoever serves the session now */
    else if (client->state == CLIENT_WELCOMING && length - used > STREAM_CHUNK_BYTES)
        stream_pause(stream);
    return used;
}

static void login_drained(struct stream *stream)
{
    (void)stream;
}

static void login_ended(struct stream *stream, int error)
{
    struct client *client = list_entry(stream, struct client, stream);

    client_close(client, REASON_CLIENT_LOST,
                 error == 0        ? NULL
                 : error == EPROTO ? stream_failure(stream)
                                   : strerror(error));
}

/* The startup packet follows. */
static void login_secured(struct stream *stream)
{
    (void)stream;
}

const struct stream_events login_stream_events = {.received = login_received,
                                                  .drained = login_drained,
                                                  .secured = login_secured,
                                                  .ended = login_ended,
                                                  .released = client_released};
