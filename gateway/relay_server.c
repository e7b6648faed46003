/* SPDX-License-Identifier: PostgreSQL
 * relay_server - what PostgreSQL answers, message by message, on its way to the client that asked.
 * Runs of messages are forwarded from where they lie; only what the bookkeeping needs is looked at. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/client.h"
#include "gateway/gateway.h"
#include "gateway/relay.h"
#include "gateway/reported.h"
#include "gateway/reply.h"
#include "gateway/session/owed.h"
#include "gateway/wire/fields.h"
#include "gateway/worker.h"

/* What to do with one message. */
enum fate { FATE_FORWARD, FATE_SWALLOW, FATE_BROKEN };

/* Bytes of the current arrival that go to the client and were not handed over yet. */
struct run {
    const unsigned char *start, *end;
};

static void run_send(struct client *client, struct run *run)
{
    if (client != NULL && run->end > run->start)
        stream_forward(&client->stream, run->start, (size_t)(run->end - run->start));
    run->start = run->end;
}

static bool head_is_ours(struct owed_ring *ring)
{
    struct owed *head = owed_head(ring);

    return head != NULL && head->ours;
}

/* Ends what has no answer of its own at the head of the queue. */
static void advance(struct server *server)
{
    struct owed_ring *ring = &server->session->owed;

    while (ring->count > 0 && owed_head(ring)->kind == OWED_COPY_END)
        owed_pop(ring);
}

/* The server skips to the next Sync: everything before it was not executed and is taken back, last first. */
static void skip_to_sync(struct server *server)
{
    struct owed_ring *ring = &server->session->owed;
    uint32_t end = 0;

    while (end < ring->count && owed_at(ring, end)->kind != OWED_SYNC)
        end++;
    for (uint32_t i = end; i > 0; i--)
        relay_undo(server, owed_at(ring, i - 1));
    if (end == ring->count && server->client != NULL)
        ((struct client *)server->client)->relay.skip_to_sync = true;
    for (uint32_t i = 0; i < end; i++)
        owed_pop(ring);
}

static enum fate on_error(struct server *server, const unsigned char *body, size_t size)
{
    struct client *client = server->client;
    struct owed *head = owed_head(&server->session->owed);
    struct error_fields fields;

    fields_error(body, size, &fields);
    if (strcmp(fields.severity, "FATAL") == 0 || strcmp(fields.severity, "PANIC") == 0) {
        server->session->said_fatal = true;
        return FATE_FORWARD;
    }
    if (head == NULL)
        return FATE_FORWARD;
    if (client != NULL)
        client->relay.copying = false;
    if (head->kind == OWED_QUERY || head->kind == OWED_FUNCTION) {
        server->retire = server->retire || head->ours;
        return head->ours ? FATE_SWALLOW : FATE_FORWARD;
    }
    if (head->kind == OWED_SYNC)
        return FATE_FORWARD; /* a deferred constraint or the like fails at the Sync itself */
    skip_to_sync(server);
    return FATE_FORWARD;
}

/* Only this thread writes the shard's numbers, so that no locked instruction is needed. */
static void count_transaction(struct client *client, struct pool_shard *shard)
{
    uint64_t before = atomic_load_explicit(&shard->transactions, memory_order_relaxed);

    client->transactions++;
    atomic_store_explicit(&shard->transactions, before + 1, memory_order_relaxed);
}

static enum fate on_ready(struct server *server, const unsigned char *body, size_t size)
{
    struct client *client = server->client;
    struct owed *head = owed_head(&server->session->owed);
    bool ours;

    if (head == NULL || size != 1 ||
        (head->kind != OWED_QUERY && head->kind != OWED_FUNCTION && head->kind != OWED_SYNC))
        return FATE_BROKEN;
    if (body[0] != 'I' && body[0] != 'T' && body[0] != 'E')
        return FATE_BROKEN;
    ours = head->ours;
    server->status = (char)body[0];
    owed_pop(&server->session->owed);
    if (client != NULL && !ours && server->status == 'I')
        count_transaction(client, server->shard);
    return ours ? FATE_SWALLOW : FATE_FORWARD;
}

static bool tag_is(const unsigned char *body, size_t size, const char *tag)
{
    size_t length = strlen(tag);

    return size > length && memcmp(body, tag, length) == 0;
}

/* Command tags say what was really executed. */
static void on_tag(struct server *server, const unsigned char *body, size_t size)
{
    struct client *client = server->client;

    if (size == 0 || body[0] != 'D')
        return;
    if (!tag_is(body, size, "DISCARD ALL") && !tag_is(body, size, "DEALLOCATE ALL"))
        return;
    set_clear(&server->session->prepared);
    if (client == NULL)
        return;
    names_clear(&client->names);
    if (body[1] == 'I' && client->pin != PIN_NONE && client->pin != PIN_DEDICATED &&
        client->pin != PIN_SESSION_MODE) {
        /* PostgreSQL says that nothing is left; a used backend is closed all the same. */
        client->pin = PIN_NONE;
        server->retire = true;
    }
}

/* One request of the extended protocol is answered. */
static enum fate answered(struct server *server, enum owed_kind kind)
{
    struct owed *head = owed_head(&server->session->owed);
    bool ours;

    if (head == NULL)
        return FATE_BROKEN;
    ours = head->ours;
    if (head->kind != kind)
        return head->kind == OWED_QUERY ? (ours ? FATE_SWALLOW : FATE_FORWARD) : FATE_BROKEN;
    if (head->prepares && head->statement != NULL)
        set_confirm(&server->session->prepared, head->statement);
    owed_pop(&server->session->owed);
    return ours ? FATE_SWALLOW : FATE_FORWARD;
}

/* The server takes COPY data: Syncs that were sent before the data's end are ignored by it. */
static enum fate on_copy_in(struct server *server)
{
    struct client *client = server->client;
    struct owed_ring *ring = &server->session->owed;
    struct owed *head = owed_head(ring);
    bool ended = false;

    if (client == NULL || head == NULL || head->ours)
        return FATE_BROKEN;
    for (uint32_t i = 1; i < ring->count && !ended;) {
        enum owed_kind kind = owed_at(ring, i)->kind;

        ended = kind == OWED_COPY_END;
        if (kind == OWED_SYNC && head->kind == OWED_EXECUTE)
            owed_remove(ring, i);
        else
            i++;
    }
    client->relay.copying = !ended;
    return FATE_FORWARD;
}

/* A reported setting changed. While it differs from the login's value the server is not pooled. */
static enum fate on_parameter(struct server *server, const unsigned char *body, size_t size)
{
    bool ours = head_is_ours(&server->session->owed);
    const char *name, *value;

    if (!fields_parameter_status(body, size, &name, &value))
        return FATE_BROKEN;
    if (strcmp(name, "application_name") == 0) {
        snprintf(server->application_name, sizeof server->application_name, "%s", value);
        return ours ? FATE_SWALLOW : FATE_FORWARD;
    }
    reported_note(server, name, value);
    return ours ? FATE_SWALLOW : FATE_FORWARD;
}

static enum fate on_complete(struct server *server, char type, const unsigned char *body, size_t size)
{
    if (type == 'C' && !head_is_ours(&server->session->owed))
        on_tag(server, body, size);
    return answered(server, OWED_EXECUTE);
}

/* `body` is whole for every type that needs_whole names. */
static enum fate consider(struct server *server, char type, const unsigned char *body, size_t size)
{
    switch (type) {
    case 'Z':
        return on_ready(server, body, size);
    case 'E':
        return on_error(server, body, size);
    case 'C':
    case 'I':
    case 's':
        return on_complete(server, type, body, size);
    case '1':
        return answered(server, OWED_PARSE);
    case '2':
        return answered(server, OWED_BIND);
    case '3':
        return answered(server, OWED_CLOSE);
    case 'T':
    case 'n':
        return answered(server, OWED_DESCRIBE);
    case 'G':
        return on_copy_in(server);
    case 'S':
        return on_parameter(server, body, size);
    case 'N':
    case 't':
    case 'H':
    case 'V':
    case 'D':
    case 'd':
    case 'c':
        return head_is_ours(&server->session->owed) ? FATE_SWALLOW : FATE_FORWARD;
    case 'A':
        return FATE_FORWARD;
    default:
        return FATE_BROKEN;
    }
}

static bool needs_whole(char type)
{
    return type == 'Z' || type == 'E' || type == 'C' || type == 'S';
}

/* Body bytes of a message whose head came earlier. */
static size_t pass_on(struct server *server, size_t available, struct run *run)
{
    struct server_session *session = server->session;
    size_t here = available < session->passing ? available : session->passing;

    session->passing -= here;
    run->end += here;
    if (session->passing_swallowed)
        run->start = run->end;
    return here;
}

static size_t message_hold(const struct server *server)
{
    struct worker *worker = list_entry(server->shard->thread, struct worker, thread);

    return (size_t)worker->generation->snapshot->max_message_hold_bytes;
}

/* One message; returns the bytes used, 0 when more are needed, SIZE_MAX when the server broke the
 * protocol. */
static size_t one_message(struct server *server, const unsigned char *bytes, size_t available,
                          struct run *run)
{
    size_t hold = message_hold(server);
    enum frame_result result;
    struct frame frame;
    enum fate fate;
    size_t here;

    if (server->session->passing > 0)
        return pass_on(server, available, run);
    result = frame_peek(bytes, available, &frame);
    if (result == FRAME_SHORT)
        return 0;
    if (result == FRAME_BAD || (needs_whole(frame.type) && frame.size > hold))
        return SIZE_MAX;
    if (needs_whole(frame.type) && frame.size > available)
        return 0;
    here = frame.size < available ? frame.size : available;
    fate = consider(server, frame.type, bytes + FRAME_HEADER_BYTES, here - FRAME_HEADER_BYTES);
    if (fate == FATE_BROKEN)
        return SIZE_MAX;
    if (fate == FATE_SWALLOW) {
        run_send(server->client, run);
        run->start = run->end + here;
    }
    run->end += here;
    server->session->passing = frame.size - here;
    server->session->passing_swallowed = fate == FATE_SWALLOW;
    if (server->session->passing == 0)
        advance(server);
    return here;
}

static size_t server_received(struct stream *stream, const unsigned char *bytes, size_t length)
{
    struct server *server = list_entry(stream, struct server, stream);
    struct run run = {bytes, bytes};
    size_t used = 0, here = 1;
    struct client *client;

    while (used < length && here > 0) {
        here = one_message(server, bytes + used, length - used, &run);
        if (here == SIZE_MAX) {
            run_send(server->client, &run);
            relay_server_lost(server, "it sent a message that makes no sense here");
            return length;
        }
        used += here;
    }
    run_send(server->client, &run);
    server->session->unread = length - used;
    client = server->client;
    relay_settle(server);
    if (client != NULL && client->server == server && stream_congested(&client->stream))
        stream_pause(stream); /* one that was given back may be another thread's by now */
    return used;
}

static void server_drained(struct stream *stream)
{
    struct server *server = list_entry(stream, struct server, stream);

    if (server->client != NULL)
        stream_resume(&((struct client *)server->client)->stream);
}

static void server_ended(struct stream *stream, int error)
{
    struct server *server = list_entry(stream, struct server, stream);

    relay_server_lost(server, error == 0 ? "PostgreSQL closed the connection" : strerror(error));
}

static void server_released(struct stream *stream)
{
    struct server *server = list_entry(stream, struct server, stream);

    server_watch_parked(server);
    server->stream.events->released(stream);
}

const struct stream_events relay_server_events = {.received = server_received,
                                                  .drained = server_drained,
                                                  .ended = server_ended,
                                                  .released = server_released};
