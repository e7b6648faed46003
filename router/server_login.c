/* SPDX-License-Identifier: PostgreSQL
 * server_login - what PostgreSQL says during a login, message by message.
 * Anything but the expected message ends the login. */
#include "router/server_login.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/fault.h"
#include "gateway/wire/fields.h"
#include "gateway/wire/frame.h"
#include "gateway/wire/write.h"
#include "router/pool.h"
#include "router/pool_hosts.h"

enum { LOGIN_MESSAGE_MAX_BYTES = 65535 };

static void login_free(struct server_login *login)
{
    if (login == NULL)
        return;
    answer_wipe(&login->answer);
    explicit_bzero(login, sizeof *login);
    free(login);
}

void server_login_end(struct server *server)
{
    struct server_login *login = server->login;

    server->login = NULL;
    login_free(login);
}

void server_login_fail(struct server *server, const struct fault *fault, const void *message, size_t bytes)
{
    const struct login_events *events = server->login->events;
    struct login_failure failure = {server->shard, server->profile, fault, message, bytes};
    enum host_said said = server->login->said == SAID_NOTHING ? SAID_NO : server->login->said;
    void *owner = server->login->owner;

    server_login_end(server);
    if (server->host != NULL &&
        (strncmp(fault->sqlstate, "08", 2) == 0 || strcmp(fault->sqlstate, "57P03") == 0))
        host_note(server->host, said);
    events->failed(&failure, owner);
    server_close(server, fault->message);
}

void server_login_broken(struct server *server, const char *what)
{
    char where[ADDRESS_TEXT_BYTES];
    struct fault fault;

    address_print(&server->address, where, sizeof where);
    fault_set(&fault, "08P01", "the server at %s broke the protocol during login: %s", where, what);
    server_login_fail(server, &fault, NULL, 0);
}

static void on_authentication(struct server *server, const unsigned char *message, size_t size)
{
    struct server_login *login = server->login;
    unsigned char reply[SCRAM_REPLY_BYTES];
    struct builder builder;
    struct fault fault;

    if (login->authenticated || size < FRAME_HEADER_BYTES + 4) {
        server_login_broken(server, "an unexpected authentication message");
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
        server_login_fail(server, &fault, NULL, 0);
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
        server_login_broken(server, "a malformed ParameterStatus message");
        return;
    }
    if (strcmp(name, "application_name") == 0)
        return;
    if (strcmp(name, "in_hot_standby") == 0)
        login->said = strcmp(value, "on") == 0 ? SAID_STANDBY : SAID_WRITABLE;
    if (sizeof login->parameters - login->parameters_used < size) {
        server_login_broken(server, "more ParameterStatus messages than 16 kB");
        return;
    }
    memcpy(login->parameters + login->parameters_used, message, size);
    login->parameters_used += size;
}

static void on_backend_key(struct server *server, const unsigned char *message, size_t size)
{
    size_t key_bytes = size - FRAME_HEADER_BYTES - 4;

    if (size < FRAME_HEADER_BYTES + 8 || key_bytes > sizeof server->secret) {
        server_login_broken(server, "a malformed BackendKeyData message");
        return;
    }
    server->backend_pid = frame_u32(message + FRAME_HEADER_BYTES);
    server->secret_bytes = (uint16_t)key_bytes;
    memcpy(server->secret, message + FRAME_HEADER_BYTES + 4, key_bytes);
    budget_seat(&server->slot, server->backend_pid);
}

static void on_error(struct server *server, const unsigned char *message, size_t size)
{
    struct error_fields fields;
    struct fault fault;

    fields_error(message + FRAME_HEADER_BYTES, size - FRAME_HEADER_BYTES, &fields);
    if (!server->login->heard && strncmp(fields.sqlstate, "28", 2) == 0 && connect_again(server))
        return;
    if (budget_is_refusal(fields.sqlstate))
        budget_refused(&server->slot, fields.routine, clock_now_us());
    if (strlen(fields.sqlstate) != 5) { /* clients rely on a code: they are told in our words */
        fault_set(&fault, "XX000", "PostgreSQL refused the connection without a code: %s", fields.message);
        server_login_fail(server, &fault, NULL, 0);
        return;
    }
    fault_set(&fault, fields.sqlstate, "%s", fields.message);
    server_login_fail(server, &fault, message, size);
}

static void on_ready(struct server *server, const unsigned char *message, size_t size)
{
    struct server_login *login = server->login;
    struct login_parameters parameters;
    struct fault fault;

    if (!login->authenticated || size != FRAME_HEADER_BYTES + 1 || message[FRAME_HEADER_BYTES] != 'I') {
        server_login_broken(server, "a ReadyForQuery that cannot be");
        return;
    }
    if (!pool_takes_host(server, (enum host_said)login->said, &fault)) {
        server_login_fail(server, &fault, NULL, 0);
        return;
    }
    if (login->said != SAID_NOTHING)
        host_note(server->host, (enum host_said)login->said);
    server->status = (char)message[FRAME_HEADER_BYTES];
    server->login = NULL;
    parameters = (struct login_parameters){login->parameters, login->parameters_used};
    login->events->ready(server, login->owner, &parameters);
    login_free(login); /* the server is not ours to look at any more: it may be another thread's */
}

static void on_message(struct server *server, char type, const unsigned char *message, size_t size)
{
    if (type != 'R' && type != 'E' && type != 'N' && type != 'v' && !server->login->authenticated) {
        server_login_broken(server, "an unexpected message before the authentication was complete");
        return;
    }
    if (type == 'E') {
        on_error(server, message, size);
        return;
    }
    server->login->heard = true;
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
    case 'Z':
        on_ready(server, message, size);
        return;
    case 'N':
    case 'v':
        return;
    default:
        server_login_broken(server, "an unexpected message");
    }
}

size_t server_login_messages(struct server *server, const unsigned char *bytes, size_t length)
{
    struct stream *stream = &server->stream;
    size_t used = 0;
    struct frame frame;


    while (server->login != NULL && stream->fd >= 0) {
        enum frame_result result = frame_peek(bytes + used, length - used, &frame);

        if (result == FRAME_SHORT)
            break;
        if (result == FRAME_BAD || frame.size > LOGIN_MESSAGE_MAX_BYTES) {
            server_login_broken(server, "a message of an impossible length");
            return length;
        }
        if (frame.size > length - used)
            break;
        if (frame.type == 'Z' && frame.size < length - used) {
            server_login_broken(server, "bytes behind the login's ReadyForQuery");
            return length;
        }
        on_message(server, frame.type, bytes + used, frame.size);
        if (frame.type == 'Z' || server->login == NULL || !server->login->heard)
            return length;
        used += frame.size;
    }
    return stream->fd < 0 ? length : used;
}

