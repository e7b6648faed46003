/* SPDX-License-Identifier: PostgreSQL
 * relay_client - what a logged-in client says, message by message, on its way to a server. */
#include <stdio.h>
#include <string.h>

#include "gateway/base/fault.h"
#include "gateway/base/log.h"
#include "gateway/client.h"
#include "gateway/gateway.h"
#include "gateway/relay.h"
#include "gateway/relay_examine.h"
#include "gateway/reply.h"
#include "gateway/session/owed.h"
#include "gateway/session/statement.h"
#include "gateway/wire/fields.h"
#include "gateway/worker.h"

enum { NAME_BYTES = 64 };

/* An answer of ours stands in line behind those that the server still owes. */
static bool answers_pending(struct client *client)
{
    if (client->server == NULL || client->server->session->owed.count == 0)
        return false;
    relay_barrier(client);
    return true;
}

static enum step sent(struct client *client, const struct statement_facts *facts)
{
    client->relay.examined = false;
    if (client->relay.opaque_encoding)
        relay_pin(client, PIN_ENCODING);
    if (facts->pin != PIN_NONE && !client->relay.dedicated)
        relay_pin(client, facts->pin);
    if (facts->barrier)
        client->relay.barrier = true;
    return STEP_TAKEN;
}

static bool pin_for_size(struct client *client)
{
    atomic_fetch_add_explicit(&client->worker->gateway->counters.statements_too_large, 1,
                              memory_order_relaxed);
    relay_pin(client, PIN_MESSAGE_SIZE);
    return true;
}

static void count_query(struct client *client)
{
    uint64_t before = atomic_load_explicit(&client->shard->queries, memory_order_relaxed);

    client->queries++;
    atomic_store_explicit(&client->shard->queries, before + 1, memory_order_relaxed);
}

static enum step on_query(struct client *client, const struct message *message)
{
    const char *text = (const char *)message->bytes + FRAME_HEADER_BYTES;
    size_t length = strnlen(text, message->available - FRAME_HEADER_BYTES);
    const struct owed owed = {.kind = OWED_QUERY};
    struct statement_facts facts = {0};
    char name[NAME_BYTES];

    if (client->verdict.mode == MODE_STATEMENT && answers_pending(client))
        return STEP_WAIT;
    if (!relay_examine(client, message, text, length, &facts))
        return STEP_TAKEN;
    if (!relay_need_server(client))
        return client->state == CLIENT_WAITING ? STEP_WAIT : STEP_ENDED;
    if (message->available < message->frame.size)
        (void)pin_for_size(client);
    if (facts.barrier && statement_is_deallocate(text, length, name, sizeof name) &&
        !relay_deallocate(client, name, true))
        return STEP_ENDED;
    count_query(client);
    client->unnamed.known = false;
    client->server->session->unnamed_of = 0;
    client->relay.unsynced = false;
    relay_forward(client, message);
    return relay_owe(client, &owed) ? sent(client, &facts) : STEP_ENDED;
}

static enum step on_parse(struct client *client, const struct message *message)
{
    struct statement_facts facts = {0};
    struct parse_fields parse = {.query = ""};
    char name[NAME_BYTES];

    if (client->verdict.mode == MODE_STATEMENT && answers_pending(client))
        return STEP_WAIT;
    if (fields_parse(message->bytes + FRAME_HEADER_BYTES, message->available - FRAME_HEADER_BYTES, &parse) &&
        !relay_examine(client, message, parse.query, parse.query_length, &facts))
        return STEP_TAKEN;
    if (!relay_need_server(client))
        return client->state == CLIENT_WAITING ? STEP_WAIT : STEP_ENDED;
    if (message->available < message->frame.size)
        (void)pin_for_size(client);
    if (facts.barrier && statement_is_deallocate(parse.query, parse.query_length, name, sizeof name) &&
        !relay_deallocate(client, name, false))
        return STEP_ENDED;
    facts.barrier = false; /* its effect comes with Execute; answers may not come before Sync */
    switch (relay_parse(client, message)) {
    case STEP_TAKEN:
        return sent(client, &facts);
    case STEP_WAIT:
        return STEP_WAIT;
    case STEP_ENDED:
        break;
    }
    return STEP_ENDED;
}

static enum step on_extended(struct client *client, const struct message *message)
{
    const struct owed owed = {.kind = OWED_EXECUTE};

    if (!relay_need_server(client))
        return client->state == CLIENT_WAITING ? STEP_WAIT : STEP_ENDED;
    switch (message->frame.type) {
    case 'B':
        return relay_bind(client, message);
    case 'D':
        return relay_describe(client, message);
    case 'C':
        return relay_close(client, message);
    default:
        client->relay.unsynced = true;
        count_query(client);
        relay_forward(client, message);
        return relay_owe(client, &owed) ? STEP_TAKEN : STEP_ENDED;
    }
}

static enum step on_function(struct client *client, const struct message *message)
{
    const struct owed owed = {.kind = OWED_FUNCTION};

    if (!relay_need_server(client))
        return client->state == CLIENT_WAITING ? STEP_WAIT : STEP_ENDED;
    relay_forward(client, message);
    return relay_owe(client, &owed) ? STEP_TAKEN : STEP_ENDED;
}

/* Sync ends a pipeline. Inside COPY the server ignores it; where no server is linked nothing needs one. */
static enum step on_sync(struct client *client, const struct message *message)
{
    const struct owed owed = {.kind = OWED_SYNC};

    client->relay.skip_to_sync = false;
    client->relay.unsynced = false;
    if (client->server == NULL) {
        reply_ready(client, 'I');
        return STEP_TAKEN;
    }
    relay_forward(client, message);
    client->server->session->batch++;
    if (client->relay.copying)
        return STEP_TAKEN;
    return relay_owe(client, &owed) ? STEP_TAKEN : STEP_ENDED;
}

/* COPY data, and Flush: forwarded while linked, strays behind an error go nowhere. */
static enum step on_copy(struct client *client, const struct message *message)
{
    const struct owed owed = {.kind = OWED_COPY_END};

    if (client->server == NULL) {
        client->relay.passing = message->frame.size - message->available;
        client->relay.discard = true;
        return STEP_TAKEN;
    }
    relay_forward(client, message);
    if (message->frame.type == 'd' || message->frame.type == 'H' || client->server->session->owed.count == 0)
        return STEP_TAKEN;
    client->relay.copying = false;
    return relay_owe(client, &owed) ? STEP_TAKEN : STEP_ENDED;
}

static enum step drop(struct client *client, const struct message *message)
{
    client->relay.passing = message->frame.size - message->available;
    client->relay.discard = true;
    return STEP_TAKEN;
}

/* The wait for a server was refused and the client told so: the session goes on behind this message. */
static enum step on_refused(struct client *client, const struct message *message)
{
    client->relay.refused = false;
    client->relay.examined = false;
    if (message->frame.type == 'Q' || message->frame.type == 'F')
        reply_ready(client, 'I');
    else
        client->relay.skip_to_sync = true;
    return drop(client, message);
}

static enum step dispatch(struct client *client, const struct message *message)
{
    char detail[32];

    switch (message->frame.type) {
    case 'Q':
        return on_query(client, message);
    case 'P':
        return on_parse(client, message);
    case 'B':
    case 'D':
    case 'E':
    case 'C':
        return on_extended(client, message);
    case 'S':
        return on_sync(client, message);
    case 'F':
        return on_function(client, message);
    case 'H':
    case 'd':
    case 'c':
    case 'f':
        return on_copy(client, message);
    case 'X':
        client_close(client, REASON_CLIENT_LEFT, NULL);
        return STEP_ENDED;
    default:
        snprintf(detail, sizeof detail, "%d", (unsigned char)message->frame.type);
        client_close(client, REASON_MESSAGE_TYPE, detail);
        return STEP_ENDED;
    }
}

/* Body bytes of a large message: on to the server, or nowhere. */
static size_t pass_on(struct client *client, const unsigned char *bytes, size_t available)
{
    struct relay *relay = &client->relay;
    size_t here = available < relay->passing ? available : relay->passing;

    if (!relay->discard && client->server != NULL)
        stream_forward(&client->server->stream, bytes, here);
    relay->passing -= here;
    if (relay->passing == 0 && client->server != NULL)
        relay_settle(client->server);
    return here;
}

/* A server that does not take what was sent, or owes very much, stops the reading of its client. */
static bool must_wait(struct client *client)
{
    struct server *server = client->server;

    if (client->state == CLIENT_WAITING || client->relay.barrier)
        return true;
    if (server == NULL)
        return stream_congested(&client->stream);
    if (stream_congested(&server->stream))
        return true;
    if (server->session->owed.count < OWED_HIGH)
        return false;
    relay_barrier(client);
    return true;
}

static enum step next_message(struct client *client, const unsigned char *bytes, size_t available,
                              struct message *message)
{
    size_t hold = (size_t)client->generation->snapshot->max_message_hold_bytes;
    enum frame_result result = frame_peek(bytes, available, &message->frame);
    char type = message->frame.type;

    if (result == FRAME_SHORT)
        return STEP_WAIT;
    if (result == FRAME_BAD) {
        client_close(client, REASON_MESSAGE_LENGTH, NULL);
        return STEP_ENDED;
    }
    message->bytes = bytes;
    message->available = available < message->frame.size ? available : message->frame.size;
    if (client->relay.skip_to_sync && type != 'S' && type != 'X')
        return drop(client, message);
    if (message->available < message->frame.size && type != 'd') {
        if (message->frame.size <= hold || available < hold / 2)
            return STEP_WAIT;
        if (strchr("QPBFf", type) == NULL || type == '\0') {
            client_close(client, REASON_MESSAGE_LENGTH, NULL);
            return STEP_ENDED;
        }
    }
    if (client->relay.refused)
        return on_refused(client, message);
    return dispatch(client, message);
}

static size_t client_received(struct stream *stream, const unsigned char *bytes, size_t length)
{
    struct client *client = list_entry(stream, struct client, stream);
    size_t hold = (size_t)client->generation->snapshot->max_message_hold_bytes;
    struct message message;
    size_t used = 0;

    while (used < length && !must_wait(client)) {
        if (client->relay.passing > 0) {
            used += pass_on(client, bytes + used, length - used);
            continue;
        }
        switch (next_message(client, bytes + used, length - used, &message)) {
        case STEP_TAKEN:
            used += message.available;
            continue;
        case STEP_ENDED:
            return length;
        case STEP_WAIT:
            break;
        }
        break;
    }
    if (length - used > hold + STREAM_CHUNK_BYTES ||
        (must_wait(client) && length - used > STREAM_CHUNK_BYTES))
        stream_pause(stream);
    return used;
}

static void client_drained(struct stream *stream)
{
    struct client *client = list_entry(stream, struct client, stream);

    if (client->server != NULL)
        stream_resume(&client->server->stream);
    else
        stream_resume(stream);
}

static void client_ended(struct stream *stream, int error)
{
    struct client *client = list_entry(stream, struct client, stream);

    client_close(client, REASON_CLIENT_LOST, error == 0 ? NULL : strerror(error));
}

const struct stream_events relay_client_events = {.received = client_received,
                                                  .drained = client_drained,
                                                  .ended = client_ended,
                                                  .released = client_released};
