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
#include "gateway/wire/fields.h"
#include "gateway/wire/frame.h"
#include "gateway/wire/write.h"
#include "router/answer.h"
#include "router/hosts.h"
#include "router/pool.h"

enum { LOGIN_MESSAGE_MAX_BYTES = 65535, PARAMETERS_MAX_BYTES = 16384 };

struct server_login {
    const struct login_events *events;
    void *owner;
    uint64_t started_us;
    struct answer answer;       /* our side of the authentication exchange */
    bool authenticated;
    size_t parameters_used;
    unsigned char parameters[PARAMETERS_MAX_BYTES];
};

static void login_free(struct server_login *login)
{
    if (login == NULL)
        return;
    answer_wipe(&login->answer);
    explicit_bzero(login, sizeof *login);
    free(login);
}

static void login_end(struct server *server)
{
    struct server_login *login = server->login;

    server->login = NULL;
    login_free(login);
}

static void login_fail(struct server *server, const struct fault *fault, const void *message, size_t bytes)
{
    const struct login_events *events = server->login->events;
    struct login_failure failure = {server->shard, server->profile, fault, message, bytes};
    void *owner = server->login->owner;

    login_end(server);
    events->failed(&failure, owner);
    server_close(server, fault->message);
}

static void login_protocol_error(struct server *server, const char *what)
{
    char where[ADDRESS_TEXT_BYTES];
    struct fault fault;

    address_print(&server->address, where, sizeof where);
    fault_set(&fault, "08P01", "the server at %s broke the protocol during login: %s", where, what);
    login_fail(server, &fault, NULL, 0);
}

static void on_authentication(struct server *server, const unsigned char *message, size_t size)
{
    struct server_login *login = server->login;
    unsigned char reply[SCRAM_REPLY_BYTES];
    struct builder builder;
    struct fault fault;

    if (login->authenticated || size < FRAME_HEADER_BYTES + 4) {
        login_protocol_error(server, "an unexpected authentication message");
        return;
    }
    if (login->events->relay != NULL) {
        login->authenticated = frame_u32(message + FRAME_HEADER_BYTES) == 0;
        if (!login->authenticated)
            login->events->relay(server, login->owner, message, size);
        return;
    }
    builder_init(&builder, reply, sizeof reply);
    if (!answer_next(&login->answer, message + FRAME_HEADER_BYTES, size - FRAME_HEADER_BYTES, &builder,
                     &login->authenticated, &fault)) {
        login_fail(server, &fault, NULL, 0);
        return;
    }
    stream_send(&server->stream, builder.bytes, builder.used);
    explicit_bzero(reply, sizeof reply);
}

static void on_parameter(struct server *server, const unsigned char *message, size_t size)
{
    struct server_login *login = server->login;
    const char *name, *value;

    if (!fields_parameter_status(message + FRAME_HEADER_BYTES, size - FRAME_HEADER_BYTES, &name, &value)) {
        login_protocol_error(server, "a malformed ParameterStatus message");
        return;
    }
    if (strcmp(name, "application_name") == 0)
        return;
    if (sizeof login->parameters - login->parameters_used < size) {
        login_protocol_error(server, "more ParameterStatus messages than 16 kB");
        return;
    }
    memcpy(login->parameters + login->parameters_used, message, size);
    login->parameters_used += size;
}

static void on_backend_key(struct server *server, const unsigned char *message, size_t size)
{
    size_t key_bytes = size - FRAME_HEADER_BYTES - 4;

    if (size < FRAME_HEADER_BYTES + 8 || key_bytes > sizeof server->secret) {
        login_protocol_error(server, "a malformed BackendKeyData message");
        return;
    }
    server->backend_pid = frame_u32(message + FRAME_HEADER_BYTES);
    server->secret_bytes = (uint16_t)key_bytes;
    memcpy(server->secret, message + FRAME_HEADER_BYTES + 4, key_bytes);
}

static void on_error(struct server *server, const unsigned char *message, size_t size)
{
    struct error_fields fields;
    struct fault fault;

    fields_error(message + FRAME_HEADER_BYTES, size - FRAME_HEADER_BYTES, &fields);
    fault_set(&fault, strlen(fields.sqlstate) == 5 ? fields.sqlstate : "08P01", "%s", fields.message);
    login_fail(server, &fault, message, size);
}

static void on_ready(struct server *server, const unsigned char *message, size_t size)
{
    struct server_login *login = server->login;
    struct login_parameters parameters;

    if (!login->authenticated || size != FRAME_HEADER_BYTES + 1 || message[FRAME_HEADER_BYTES] != 'I') {
        login_protocol_error(server, "a ReadyForQuery that cannot be");
        return;
    }
    server->status = (char)message[FRAME_HEADER_BYTES];
    server->login = NULL;
    parameters = (struct login_parameters){login->parameters, login->parameters_used};
    login->events->ready(server, login->owner, &parameters);
    login_free(login); /* the server is not ours to look at any more: it may be another thread's */
}

static void on_message(struct server *server, char type, const unsigned char *message, size_t size)
{
    if (type != 'R' && type != 'E' && type != 'N' && type != 'v' && !server->login->authenticated) {
        login_protocol_error(server, "an unexpected message before the authentication was complete");
        return;
    }
    switch (type) {
    case 'R':
        on_authentication(server, message, size);
        return;
    case 'S':
        on_parameter(server, message, size);
        return;
    case 'K':
        on_backend_key(server, message, size);
        return;
    case 'E':
        on_error(server, message, size);
        return;
    case 'Z':
        on_ready(server, message, size);
        return;
    case 'N':
    case 'v':
        return;
    default:
        login_protocol_error(server, "an unexpected message");
    }
}

static size_t login_received(struct stream *stream, const unsigned char *bytes, size_t length)
{
    struct server *server = list_entry(stream, struct server, stream);
    size_t used = 0;
    struct frame frame;

    while (server->login != NULL && stream->fd >= 0) {
        enum frame_result result = frame_peek(bytes + used, length - used, &frame);

        if (result == FRAME_SHORT)
            break;
        if (result == FRAME_BAD || frame.size > LOGIN_MESSAGE_MAX_BYTES) {
            login_protocol_error(server, "a message of an impossible length");
            return length;
        }
        if (frame.size > length - used)
            break;
        if (frame.type == 'Z' && frame.size < length - used) {
            login_protocol_error(server, "bytes behind the login's ReadyForQuery");
            return length;
        }
        on_message(server, frame.type, bytes + used, frame.size);
        if (frame.type == 'Z')
            return length;
        used += frame.size;
    }
    return stream->fd < 0 ? length : used;
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

    address_print(&server->address, where, sizeof where);
    if (error != 0)
        fault_set(&fault, "08001", "could not connect to PostgreSQL at %s: %s", where, strerror(error));
    else
        fault_set(&fault, "08001", "PostgreSQL at %s closed the connection during login", where);
    login_fail(server, &fault, NULL, 0);
}

static void login_released(struct stream *stream)
{
    struct server *server = list_entry(stream, struct server, stream);

    server_watch_parked(server);
    server->stream.events->released(stream);
}

static const struct stream_events login_stream_events = {
    .received = login_received, .drained = login_drained, .ended = login_ended, .released = login_released};

static bool send_startup(struct server *server, const char *application_name)
{
    const struct profile *profile = server->profile;
    struct startup_parameter parameters[2 * STARTUP_MAX_PARAMETERS + 4];
    unsigned char packet[STARTUP_MAX_BYTES * 2];
    struct builder builder;
    size_t count = 0;

    parameters[count++] = (struct startup_parameter){"user", server->shard->pool->user};
    parameters[count++] = (struct startup_parameter){"database", server->shard->pool->database};
    for (size_t i = 0; i < profile->count; i++)
        parameters[count++] = profile->parameters[i];
    if (application_name != NULL && *application_name != '\0') {
        parameters[count++] = (struct startup_parameter){"application_name", application_name};
        strncpy(server->application_name, application_name, sizeof server->application_name - 1);
    }
    builder_init(&builder, packet, sizeof packet);
    write_startup(&builder, 3, 0, parameters, count);
    if (!builder_ok(&builder))
        return false;
    stream_send(&server->stream, builder.bytes, builder.used);
    return true;
}

static void open_failed(const struct login_failure *failure, struct server *server, bool counted,
                        const struct login_events *events, void *owner)
{
    events->failed(failure, owner);
    if (server == NULL) {
        if (counted)
            atomic_fetch_sub(&failure->shard->pool->open, 1);
        return;
    }
    server_close(server, failure->fault->message);
    free(server->login);
    free(server);
}

struct server *connect_start(struct pool_shard *shard, struct profile *profile, const char *application_name,
                             bool counted, const struct login_events *events, void *owner)
{
    struct server *server = server_new(shard, profile);
    struct fault fault;
    int fd = -1;

    if (server == NULL || (server->login = calloc(1, sizeof *server->login)) == NULL)
        fault_set(&fault, "53200", "out of memory");
    else if (upstream_address(shard->pool->upstream, 0, &server->address, &fault))
        fd = socket_connect(&server->address, &fault);
    if (server != NULL)
        server->counted = counted;
    if (fd < 0) {
        struct login_failure failure = {shard, profile, &fault, NULL, 0};

        open_failed(&failure, server, counted, events, owner);
        return NULL;
    }
    server->login->events = events;
    server->login->owner = owner;
    server->login->started_us = clock_now_us();
    answer_init(&server->login->answer, shard->pool);
    stream_open(&server->stream, shard->thread->engine, fd, &login_stream_events);
    if (!send_startup(server, application_name)) {
        fault_set(&fault, "54000", "the startup parameters and the route's settings together are too long");
        login_fail(server, &fault, NULL, 0);
        return NULL;
    }
    return server;
}

void connect_abandon(struct server *server)
{
    login_end(server);
    server_close(server, "whoever waited for it is gone");
}

void connect_sweep(struct pool_shard *shard, uint64_t now_us)
{
    const struct pool_options *options = pool_options(shard->pool);
    char where[ADDRESS_TEXT_BYTES];
    struct fault fault;

    list_each(link, following, &shard->states[SERVER_CONNECTING]) {
        struct server *server = list_entry(link, struct server, link);

        if (server->login == NULL || options->server_connect_timeout_us == 0 ||
            now_us < server->login->started_us + options->server_connect_timeout_us)
            continue;
        address_print(&server->address, where, sizeof where);
        fault_set(&fault, "08001",
                  "server_connect_timeout: PostgreSQL at %s did not finish a login within %llu ms", where,
                  (unsigned long long)(options->server_connect_timeout_us / 1000));
        login_fail(server, &fault, NULL, 0);
    }
}
