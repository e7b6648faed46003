/* SPDX-License-Identifier: PostgreSQL
 * relay_again - a server that ended before it read anything of a transaction is replaced without a word. */
#include "gateway/relay_again.h"

#include <errno.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/client.h"
#include "gateway/gateway.h"
#include "gateway/policy.h"
#include "gateway/relay.h"
#include "gateway/relay_error.h"
#include "gateway/relay_place.h"
#include "gateway/session/owed.h"
#include "gateway/wire/fields.h"
#include "gateway/worker.h"

/* Servers that one message may outlive. */
enum { AGAIN_MAX = 8 };

static uint64_t told_bytes(const struct client *client)
{
    return client->stream.bytes_out + stream_backlog(&client->stream);
}

void again_begin(struct client *client)
{
    struct again *again = &client->server->session->again;

    again->used = 0;
    again->held_us = 0;
    again->possible = client->pins == 0 && client->listening == NULL && !client->server->dedicated &&
                      client->relay.again < AGAIN_MAX;
    again->told_bytes = told_bytes(client);
}

void again_note(struct client *client, const unsigned char *bytes, size_t length)
{
    struct again *again = &client->server->session->again;
    uint64_t now_us = client->worker->thread.now_us;

    if (!again->possible)
        return;
    if (again->used == 0) {
        again->turn_us = now_us;
        again->written_before = client->server->stream.bytes_out;
    }
    again->possible = bytes != NULL && again->turn_us == now_us && length <= AGAIN_BYTES - again->used;
    if (!again->possible)
        return;
    memcpy(again->bytes + again->used, bytes, length);
    again->used += length;
}

static bool is_end(char type, const unsigned char *body, size_t size)
{
    struct error_fields fields;

    if (type != 'E' && type != 'N')
        return false;
    fields_error(body, size, &fields);
    return strcmp(fields.severity, type == 'E' ? "FATAL" : "WARNING") == 0 &&
           (strcmp(fields.sqlstate, "57P01") == 0 || strcmp(fields.sqlstate, "57P02") == 0 ||
            strcmp(fields.sqlstate, "57P05") == 0);
}

bool again_holds(struct server *server, char type, const unsigned char *body, size_t size)
{
    struct server_session *session = server->session;
    struct again *again = &session->again;

    if (!again->possible || again->used == 0)
        return false;
    if (server->client != NULL && session->excuse == NULL && is_end(type, body, size) &&
        relay_error_keep(server, body, size)) {
        session->excuse[0] = (unsigned char)type;
        session->said_fatal = type == 'E';
        again->held_us = server->shard->thread->now_us;
        return true;
    }
    again->possible = false;
    if (server->client != NULL)
        ((struct client *)server->client)->relay.again = 0;
    return false;
}

/* Nothing was written at all, or what was written in one piece was left unread. */
static bool is_unread(const struct server *server, int error)
{
    const struct again *again = &server->session->again;
    uint64_t written = server->stream.bytes_out - again->written_before;

    if (written == 0)
        return true;
    return again->held_us != 0 && written <= AGAIN_BYTES && (error == ECONNRESET || error == EPIPE);
}

static bool may_go_again(const struct server *server, const struct client *client, int error)
{
    const struct server_session *session = server->session;

    return session->again.possible && session->again.used > 0 && client->relay.passing == 0 &&
           session->cancel_told == NULL && told_bytes(client) == session->again.told_bytes &&
           is_unread(server, error);
}

static void go_again(struct server *server, struct client *client)
{
    struct server_session *session = server->session;
    struct relay *relay = &client->relay;
    bool first_examined = session->again.bytes[0] == 'Q' || session->again.bytes[0] == 'P';

    for (uint32_t i = session->owed.count; i > 0; i--)
        place_undo(server, owed_at(&session->owed, i - 1));
    client->server = NULL;
    server->client = NULL;
    policy_unpinned(client);
    relay->unsynced = relay->copying = relay->skip_to_sync = relay->barrier = relay->reserved = false;
    relay->reads_anew = false;
    relay->examined = first_examined;
    relay->again++;
    client_enter(client, CLIENT_IDLE);
    atomic_fetch_add_explicit(&client->worker->gateway->counters.transactions_again, 1,
                              memory_order_relaxed);
}

bool relay_again(struct server *server, int error)
{
    struct server_session *session = server->session;
    struct client *client = server->client;

    if (client == NULL || session == NULL)
        return false;
    if (may_go_again(server, client, error) &&
        stream_put_back(&client->stream, session->again.bytes, session->again.used)) {
        go_again(server, client);
        server_close(server, "it ended before it read what its client said");
        stream_resume(&client->stream);
        return true;
    }
    if (session->again.held_us != 0 && session->excuse != NULL)
        relay_error_send(server);
    return false;
}
