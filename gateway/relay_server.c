/* SPDX-License-Identifier: PostgreSQL
 * relay_server - what PostgreSQL answers, message by message, on its way to the client that asked.
 * Runs of messages are forwarded from where they lie; only what the bookkeeping needs is looked at. */
#include <string.h>

#include "gateway/client.h"
#include "gateway/gateway.h"
#include "gateway/notify/notify.h"
#include "gateway/relay.h"
#include "gateway/relay_again.h"
#include "gateway/relay_answer.h"
#include "gateway/relay_error.h"
#include "gateway/relay_state.h"
#include "gateway/session/owed.h"
#include "gateway/worker.h"

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

/* Ends what has no answer of its own at the head of the queue. */
static void advance(struct server *server)
{
    struct owed_ring *ring = &server->session->owed;

    while (ring->count > 0 && owed_head(ring)->kind == OWED_COPY_END)
        owed_pop(ring);
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

#define ENDED (SIZE_MAX - 1)

/* One message; returns the bytes used, 0 when more are needed, SIZE_MAX when the server broke the
 * protocol, ENDED when it was closed meanwhile. */
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
    if (result == FRAME_BAD)
        return SIZE_MAX;
    if ((frame.size > available || frame.size > hold) && relay_answer_is_whole(server, &frame, hold))
        return frame.size > hold ? SIZE_MAX : 0;
    here = frame.size < available ? frame.size : available;
    if (frame.type == 'E')
        run_send(server->client, run); /* an error may be told in our words, behind what came before it */
    if (here == frame.size &&
        again_holds(server, frame.type, bytes + FRAME_HEADER_BYTES, here - FRAME_HEADER_BYTES))
        fate = FATE_SWALLOW;
    else
        fate = relay_answer(server, frame.type, bytes + FRAME_HEADER_BYTES, here - FRAME_HEADER_BYTES);
    if (fate == FATE_BROKEN)
        return SIZE_MAX;
    if (fate == FATE_ENDED)
        return ENDED;
    if (fate == FATE_SWALLOW || fate == FATE_REPLACE || fate == FATE_RENAME) {
        run_send(server->client, run);
        run->start = run->end + here;
        if (frame.type == 'Z' && server->session->listens != NOTIFY_NONE)
            notify_ready(server, (enum notify_query)server->session->listens);
    }
    if (fate == FATE_REPLACE)
        relay_error_send(server);
    if (fate == FATE_RENAME)
        state_send_name(server->client);
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

    while (used < length && here > 0 && !notify_stops(server)) {
        here = one_message(server, bytes + used, length - used, &run);
        if (here == ENDED)
            return length;
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
    if (client != NULL && client->server == server &&
        (stream_congested(&client->stream) || notify_stops(server)))
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

    if (!relay_again(server, error))
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
