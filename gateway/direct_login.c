/* SPDX-License-Identifier: PostgreSQL
 * direct_login - the login of a direct session: the cancel key is noted, and a PostgreSQL without room is
 * asked again. */
#include "gateway/direct_login.h"

#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/fault.h"
#include "gateway/base/log.h"
#include "gateway/client.h"
#include "gateway/gateway.h"
#include "gateway/relayed.h"
#include "gateway/wire/fields.h"
#include "gateway/wire/frame.h"
#include "gateway/worker.h"
#include "router/linger.h"

enum { LOGIN_MESSAGE_MAX_BYTES = 65535 };

/* PostgreSQL has no room, or is starting: the session waits instead of failing. */
static bool wait_for_room(struct direct *direct, const char *sqlstate, const char *why)
{
    const struct route_options *route = direct->client->verdict.route;
    bool starting = strcmp(sqlstate, "57P03") == 0;
    uint64_t limit_us = starting ? route->pool.query_wait_timeout_us : route->pool.direct_wait_timeout_us;

    if (direct->heard || (limit_us > 0 && clock_now_us() > direct->began_us + limit_us))
        return false;
    if (!starting && !budget_is_refusal(sqlstate))
        return false;
    log_warn(direct->client->worker->thread.who, "client=%llu waits to be let in by PostgreSQL: %s",
             (unsigned long long)direct->client->id, why);
    return true;
}

/* Its password was used up on a connection that PostgreSQL then had no room for. */
static void refuse_for_room(struct direct *direct)
{
    struct fault fault;

    fault_set(&fault, "57P03", "PostgreSQL gave its last free connection to another program meanwhile");
    fault_hint(&fault, "Connect again: the session will wait until there is room.");
    client_refuse(direct->client, &fault);
}

static void on_backend_key(struct direct *direct, const unsigned char *body, size_t size)
{
    struct cancel_key *key = &direct->key;

    if (size < 8 || size - 4 > sizeof direct->secret || key->secret_bytes > 0)
        return;
    direct->backend_pid = frame_u32(body);
    memcpy(direct->secret, body + 4, size - 4);
    budget_seat(&direct->slot, direct->backend_pid);
    *key = (struct cancel_key){.pid = direct->backend_pid,
                               .secret = direct->secret,
                               .secret_bytes = (uint32_t)(size - 4),
                               .worker = direct->client->worker->thread.index,
                               .client_id = direct->client->id,
                               .backend = &direct->encryption.place.address};
    if (!cancel_keys_add(&direct->client->worker->gateway->cancel_keys, key))
        log_warn(direct->client->worker->thread.who,
                 "client=%llu cannot be cancelled: its key is known already",
                 (unsigned long long)direct->client->id);
}

/* Looks at one message of the login. False: the connection was given up and is tried again. */
static bool on_login_message(struct direct *direct, char type, const unsigned char *body, size_t size)
{
    struct error_fields fields;
    struct stream *server = &direct->server;

    if (type == 'E') {
        fields_error(body, size, &fields);
        if (!direct->heard && strncmp(fields.sqlstate, "28", 2) == 0 && direct_again(direct))
            return false;
        if (budget_is_refusal(fields.sqlstate))
            budget_refused(&direct->slot, fields.routine, clock_now_us());
        if (wait_for_room(direct, fields.sqlstate, fields.message)) {
            direct->server_open = false;
            direct->abandoned = true;
            linger_start(&direct->client->worker->thread, server->fd, &direct->slot);
            stream_close(server);
            return false;
        }
        if (budget_is_refusal(fields.sqlstate)) {
            refuse_for_room(direct);
            return false;
        }
    } else if (type == 'K') {
        on_backend_key(direct, body, size);
    } else if (type == 'Z') {
        direct_tell_wait(direct);
        direct->state = DIRECT_OPEN;
        atomic_fetch_add(&direct->client->worker->gateway->counters.logins_done, 1);
    }
    direct->heard = true;
    list_remove(&direct->link);
    return true;
}

size_t direct_login(struct direct *direct, const unsigned char *bytes, size_t length)
{
    size_t used = 0;
    struct frame frame;

    while (used < length && direct->state == DIRECT_LOGIN) {
        enum frame_result result = frame_peek(bytes + used, length - used, &frame);

        if (result == FRAME_SHORT)
            break;
        if (result == FRAME_BAD || frame.size > LOGIN_MESSAGE_MAX_BYTES) {
            client_close(direct->client, REASON_SERVER_PROTOCOL, "a login message of an impossible length");
            return length;
        }
        if (frame.size > length - used)
            break;
        if (!on_login_message(direct, frame.type, bytes + used + FRAME_HEADER_BYTES,
                              frame.size - FRAME_HEADER_BYTES))
            return length;
        if (frame.type == 'R' && frame.size > FRAME_HEADER_BYTES)
            direct->offered_plus = relayed_request(direct->client, &direct->server, bytes + used, frame.size);
        else
            stream_send(&direct->client->stream, bytes + used, frame.size);
        used += frame.size;
    }
    if (direct->state == DIRECT_LOGIN)
        return used;
    stream_forward(&direct->client->stream, bytes + used, length - used);
    return length;
}

bool direct_login_answer(struct direct *direct, const unsigned char *bytes, size_t length)
{
    struct frame frame;

    direct->offered_plus = false;
    if (frame_peek(bytes, length, &frame) != FRAME_OK || frame.type != 'p' || frame.size > length)
        return true; /* PostgreSQL will judge it */
    return relayed_answer(direct->client, bytes, frame.size);
}
