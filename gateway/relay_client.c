/* SPDX-License-Identifier: PostgreSQL
 * relay_client - what a logged-in client says, message by message, on its way to a server. */
#include <stdio.h>
#include <string.h>

#include "gateway/base/fault.h"
#include "gateway/base/log.h"
#include "gateway/client.h"
#include "gateway/gateway.h"
#include "gateway/notify/notify.h"
#include "gateway/relay.h"
#include "gateway/relay_again.h"
#include "gateway/relay_examine.h"
#include "gateway/relay_names.h"
#include "gateway/relay_prepared.h"
#include "gateway/relay_sequence.h"
#include "gateway/relay_state.h"
#include "gateway/reply.h"
#include "gateway/session/owed.h"
#include "gateway/session/statement.h"
#include "gateway/wire/fields.h"
#include "gateway/worker.h"

/* An answer of ours stands in line behind those that the server still owes. */
static bool answers_pending(struct client *client)
{
    if (client->server == NULL || client->server->session->owed.count == 0)
        return false;
    relay_barrier(client);
    return true;
}

/* A text that is not here as a whole may do anything. */
static void note_size(struct client *client, const struct message *message, struct statement_facts *facts)
{
    if (client->relay.opaque_encoding)
        relay_pin(client, PIN_ENCODING);
    if (message->available == message->frame.size)
        return;
    atomic_fetch_add_explicit(&client->worker->gateway->counters.statements_too_large, 1,
                              memory_order_relaxed);
    facts->suspects |= PIN_BIT(ANYTHING);
    if (message->frame.type == 'P')
        relay_pin(client, PIN_MESSAGE_SIZE);
}

static void count_query(struct client *client)
{
    uint64_t before = atomic_load_explicit(&client->shard->queries, memory_order_relaxed);

    client->queries++;
    atomic_store_explicit(&client->shard->queries, before + 1, memory_order_relaxed);
}

/* The message was answered without being sent. */
static enum step answered(const struct client *client)
{
    return client->state == CLIENT_ENDING || client->state == CLIENT_CLOSED ? STEP_ENDED : STEP_TAKEN;
}

static enum step on_query(struct client *client, const struct message *message)
{
    const char *text = (const char *)message->bytes + FRAME_HEADER_BYTES;
    size_t length = strnlen(text, message->available - FRAME_HEADER_BYTES);
    const struct owed owed = {.kind = OWED_QUERY};
    struct statement_facts facts;
    bool refused;
    enum step step;

    if (client->verdict.mode == MODE_STATEMENT && answers_pending(client))
        return STEP_WAIT;
    if (!relay_examine(client, message, text, length, &facts))
        return answered(client);
    if (facts.listens && message->available == message->frame.size &&
        notify_query(client, text, length, &step))
        return step;
    step = relay_need_server(client);
    if (step != STEP_TAKEN)
        return step;
    if (client->listening != NULL && notify_before(client, &facts, &step))
        return step;
    step = sequence_before(client, message, &facts, text, length, &refused);
    if (step != STEP_TAKEN || refused)
        return step;
    note_size(client, message, &facts);
    step = relay_names_before(client, &facts, text, length, NAMES_QUERY);
    if (step != STEP_TAKEN)
        return step;
    client->relay.examined = false;
    if (!state_suspect(client, &facts, text, length))
        return STEP_ENDED;
    count_query(client);
    last_statement_note(&client->server->session->last, text, length);
    unnamed_forget(&client->unnamed);
    client->server->session->unnamed_of = client->relay.unsynced ? (uint64_t)UNNAMED_UNKNOWN : 0;
    client->relay.unsynced = false;
    relay_forward(client, message);
    client->relay.barrier = client->relay.barrier || facts.barrier || client->relay.reads_anew ||
                            client->relay.name_reset != NAME_KEPT || notify_is_alone(client);
    client->relay.reads_anew = false;
    return relay_owe(client, &owed) ? STEP_TAKEN : STEP_ENDED;
}

/* Of a large message, as much of the text as is here. */
static bool parse_text(const struct message *message, struct parse_fields *parse)
{
    const char *body = (const char *)message->bytes + FRAME_HEADER_BYTES;
    size_t here = message->available - FRAME_HEADER_BYTES, name = strnlen(body, here);

    if (message->available == message->frame.size)
        return fields_parse(body, here, parse);
    if (name == here)
        return false;
    parse->query = body + name + 1;
    parse->query_length = strnlen(parse->query, here - name - 1);
    return true;
}

static enum step on_parse(struct client *client, const struct message *message)
{
    struct statement_facts facts = {0};
    struct parse_fields parse = {.query = ""};
    enum step step;

    if (client->verdict.mode == MODE_STATEMENT && answers_pending(client))
        return STEP_WAIT;
    if (parse_text(message, &parse) &&
        !relay_examine(client, message, parse.query, parse.query_length, &facts))
        return answered(client);
    step = relay_need_server(client);
    if (step != STEP_TAKEN)
        return step;
    if (client->listening != NULL && notify_before(client, &facts, &step))
        return step;
    note_size(client, message, &facts);
    last_statement_note(&client->server->session->last, parse.query, parse.query_length);
    step = relay_parse(client, message, &facts);
    client->relay.examined = step == STEP_WAIT;
    return step;
}

static enum step on_extended(struct client *client, const struct message *message)
{
    enum step step = relay_need_server(client);

    if (step != STEP_TAKEN)
        return step;
    switch (message->frame.type) {
    case 'B':
        if (client->listening != NULL && notify_before_bind(client, message, &step))
            return step;
        return relay_bind(client, message);
    case 'D':
        return relay_describe(client, message);
    case 'C':
        return relay_close(client, message);
    default:
        count_query(client);
        return relay_execute(client, message);
    }
}

static enum step on_function(struct client *client, const struct message *message)
{
    const struct statement_facts facts = {.suspects = PIN_BIT(ANYTHING)};
    const struct owed owed = {.kind = OWED_FUNCTION};
    static const char text[] = "function call by the protocol's fast path";
    enum step step;

    step = relay_need_server(client);
    if (step != STEP_TAKEN)
        return step;
    if (!state_suspect(client, &facts, text, sizeof text - 1))
        return STEP_ENDED;
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
    client->relay.barrier = client->relay.reads_anew || notify_is_alone(client);
    client->relay.reads_anew = false;
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

    if (client->state == CLIENT_WAITING || client->relay.barrier || client->relay.held ||
        client->state == CLIENT_LEAVING)
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
            if (client->server != NULL)
                again_note(client, message.available == message.frame.size ? bytes + used : NULL,
                           message.available);
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
