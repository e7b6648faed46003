/* SPDX-License-Identifier: PostgreSQL
 * listening - one client that listens on a pooled port. Like PostgreSQL it gets notifications only between
 * transactions: just before the ReadyForQuery that ends one, and while it is idle. */
#include "gateway/notify/listening.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/gateway.h"
#include "gateway/notify/ear.h"
#include "gateway/notify/notify.h"
#include "gateway/reply.h"
#include "gateway/session/owed.h"
#include "gateway/takeover/arrive.h"
#include "gateway/takeover/leave.h"
#include "gateway/wire/fields.h"
#include "gateway/wire/frame.h"
#include "gateway/worker.h"

/* The client_encoding of its login, "" when PostgreSQL did not tell. */
static const char *login_encoding(const struct client *client)
{
    const struct welcome *welcome = atomic_load(&client->profile->welcome);
    const char *name, *value;
    struct frame frame;

    for (size_t at = 0; welcome != NULL && at < welcome->length; at += frame.size) {
        if (frame_peek(welcome->bytes + at, welcome->length - at, &frame) != FRAME_OK)
            break;
        if (fields_parameter_status(welcome->bytes + at + FRAME_HEADER_BYTES, frame.size - FRAME_HEADER_BYTES,
                                    &name, &value) &&
            strcmp(name, "client_encoding") == 0)
            return value;
    }
    return "";
}

bool notify_is_in(const struct client *client, const char *encoding)
{
    return client->profile != NULL && strcmp(encoding, login_encoding(client)) == 0;
}

bool listening_is_possible(const struct client *client)
{
    return client->pool != NULL && client->profile != NULL && !client->relay.dedicated &&
           !client->relay.opaque_encoding && !client->relay.other_encoding &&
           (client->pins & (PIN_BIT(DEDICATED) | PIN_BIT(SESSION_MODE))) == 0;
}

struct listening *listening_of(struct client *client)
{
    struct listening *listening = client->listening;

    if (listening != NULL || !listening_is_possible(client) ||
        (listening = calloc(1, sizeof *listening)) == NULL)
        return listening;
    listening->ear = ear_attach(client, login_encoding(client));
    if (listening->ear == NULL) {
        free(listening);
        return NULL;
    }
    listening->client = client;
    list_init(&listening->all);
    list_init(&listening->doomed);
    client->listening = listening;
    return listening;
}

struct subscription *listening_find(const struct listening *listening, const char *name)
{
    struct table_link *link = table_find(&listening->subscriptions, table_hash(name, strlen(name), 0));

    for (; link != NULL; link = table_next(link)) {
        struct subscription *subscription = table_entry(link, struct subscription, link);

        if (strcmp(subscription->channel->name, name) == 0)
            return subscription;
    }
    return NULL;
}

/* The hub may be ahead of what the server still has to say of the same channels. */
static bool is_half_moved(const struct listening *listening)
{
    return listening->step == MOVE_GOING && !listening->here_marked;
}

/* Whether its stream has no place for a notification now. */
static bool is_busy(const struct listening *listening)
{
    const struct client *client = listening->client;
    const struct server *server = client->server;

    if (client->relay.held || client->relay.unsynced || listening->stage != STAGE_NONE ||
        client->state == CLIENT_ARRIVING)
        return true;
    return server != NULL && (server->status != 'I' || server->session->owed.count > 0 ||
                              server->session->passing > 0);
}

/* Between transactions. What the server still has to say of moving channels comes before what the hub said.
 * */
static void flush(struct listening *listening)
{
    size_t bytes = is_half_moved(listening) ? listening->ahead : listening->queued;

    if (listening->queued == 0)
        return;
    stream_send(&listening->client->stream, listening->queue, bytes);
    listening->queued -= bytes;
    listening->ahead = 0;
    memmove(listening->queue, listening->queue + bytes, listening->queued);
    if (listening->queued > 0)
        return;
    free(listening->queue);
    listening->queue = NULL;
    listening->room = 0;
}

void listening_idle(struct listening *listening)
{
    if (!is_busy(listening))
        flush(listening);
}

bool listening_has_queued(const struct listening *listening)
{
    return is_half_moved(listening) ? listening->ahead > 0 : listening->queued > 0;
}

/* Puts a message at this place of the queue. */
static bool enqueue(struct listening *listening, const unsigned char *message, size_t size, size_t at)
{
    if (listening->queued + size > listening->room) {
        size_t room = 2 * (listening->queued + size);
        unsigned char *wider = realloc(listening->queue, room);

        if (wider == NULL)
            return false;
        listening->queue = wider;
        listening->room = room;
    }
    memmove(listening->queue + at + size, listening->queue + at, listening->queued - at);
    memcpy(listening->queue + at, message, size);
    listening->queued += size;
    return true;
}

static bool fits(const struct listening *listening, size_t size)
{
    const struct client *client = listening->client;
    size_t limit = (size_t)client->generation->snapshot->max_notify_hold_bytes;

    return listening->queued + stream_backlog(&client->stream) + size <= limit;
}

void listening_notify(struct listening *listening, const unsigned char *message, size_t size,
                      struct list *doomed)
{
    struct client *client = listening->client;

    if (!list_empty(&listening->doomed) ||
        (client->state == CLIENT_LEAVING && leave_is_past(client, message, size)))
        return;
    atomic_fetch_add_explicit(&client->worker->gateway->counters.notifications, 1, memory_order_relaxed);
    if (!fits(listening, size) || !enqueue(listening, message, size, listening->queued))
        list_append(doomed, &listening->doomed);
    else
        listening_idle(listening);
}

/* The client knows its own notifications by the process ID that it was told at login. */
static void say_own(const struct client *client, unsigned char *message)
{
    uint32_t pid = client->key.pid;
    const unsigned char told[] = {(unsigned char)(pid >> 24), (unsigned char)(pid >> 16),
                                  (unsigned char)(pid >> 8), (unsigned char)pid};

    memcpy(message + FRAME_HEADER_BYTES, told, sizeof told);
}

void listening_pass_on(struct listening *listening, const unsigned char *message, size_t size)
{
    struct client *client = listening->client;
    size_t at = is_half_moved(listening) ? listening->ahead : listening->queued;

    if (!fits(listening, size) || !enqueue(listening, message, size, at)) {
        client_close(client, REASON_NOTIFY_HOLD, NULL);
        return;
    }
    if (is_half_moved(listening))
        listening->ahead += size;
    if (frame_u32(message + FRAME_HEADER_BYTES) == client->server->backend_pid)
        say_own(client, listening->queue + at);
    listening_idle(listening);
}

static const char *channel_of(const unsigned char *message)
{
    return (const char *)message + FRAME_HEADER_BYTES + 4;
}

/* As PostgreSQL drops what is pending of a channel that nobody listens to any more. */
static void queue_purge(struct listening *listening, const char *name)
{
    struct frame frame;

    for (size_t at = 0; at < listening->queued;) {
        unsigned char *message = listening->queue + at;

        CHECK(frame_peek(message, listening->queued - at, &frame) == FRAME_OK);
        if (strcmp(channel_of(message), name) != 0) {
            at += frame.size;
            continue;
        }
        listening->queued -= frame.size;
        listening->ahead -= at < listening->ahead ? frame.size : 0;
        memmove(message, message + frame.size, listening->queued - at);
    }
}

void listening_forget(struct listening *listening, struct subscription *subscription)
{
    if (listening->queued > 0)
        queue_purge(listening, subscription->channel->name);
    ear_unsubscribe(subscription);
}

void listening_forget_all(struct listening *listening)
{
    while (!list_empty(&listening->all))
        listening_forget(listening, list_entry(listening->all.next, struct subscription, in_client));
}

/* What its last transaction notified, among what came from the hub. */
static void queue_own(struct listening *listening)
{
    struct frame frame;

    for (size_t at = 0; at < listening->queued; at += frame.size) {
        unsigned char *message = listening->queue + at;

        CHECK(frame_peek(message, listening->queued - at, &frame) == FRAME_OK);
        if (frame_u32(message + FRAME_HEADER_BYTES) == listening->own_pid)
            say_own(listening->client, message);
    }
}

static bool send_fence(struct listening *listening)
{
    struct errand *errand;

    if (listening->subscriptions.count == 0 && listening->step != MOVE_GOING)
        return false;
    errand = errand_new(listening->ear->hub, listening->client, ERRAND_FENCE, 0);
    if (errand == NULL || !ear_send(listening->ear, errand))
        return false;
    listening->fence = errand;
    return true;
}

void listening_ready_next(struct listening *listening)
{
    struct client *client = listening->client;

    if (listening->step != MOVE_NONE)
        return; /* what it listens to from now on is not settled */
    if (listening->suspected && !listening->stays && client->server != NULL &&
        client->server->session->owed.count == 0) {
        (void)move_ask(listening);
        return;
    }
    if (listening->notified) {
        listening->notified = false;
        if (send_fence(listening))
            return;
    }
    client->relay.held = false;
    flush(listening);
    reply_ready(client, 'I');
    stream_resume(&client->stream);
    if (client->server != NULL)
        stream_resume(&client->server->stream);
}

static void stage_end(struct listening *listening, const struct errand *errand)
{
    listening->errand = NULL;
    listening->stage = errand->end == ERRAND_DONE ? STAGE_DONE : STAGE_NOT_HERE;
    if (errand->end == ERRAND_DONE &&
        !ear_subscribe(listening->ear, listening, errand->channels[0])) {
        client_close(listening->client, REASON_MEMORY, NULL);
        return;
    }
    stream_resume(&listening->client->stream); /* shows the statement again */
}

static void move_end(struct listening *listening, const struct errand *errand)
{
    bool done = errand->end == ERRAND_DONE;

    listening->errand = NULL;
    for (size_t i = 0; done && i < errand->count; i++) {
        if (ear_subscribe(listening->ear, listening, errand->channels[i]))
            continue;
        client_close(listening->client, REASON_MEMORY, NULL);
        return;
    }
    move_hub_answered(listening, done);
}

void listening_errand_back(struct client *client, struct errand *errand)
{
    struct listening *listening = client->listening;

    if (client->state == CLIENT_LEAVING) {
        leave_errand_back(client, errand);
    } else if (client->state == CLIENT_ARRIVING) {
        arrive_errand_back(client, errand);
    } else if (errand->kind == ERRAND_LISTEN) {
        stage_end(listening, errand);
    } else if (errand->kind == ERRAND_MOVE) {
        move_end(listening, errand);
    } else {
        listening->fence = NULL;
        queue_own(listening);
        listening_ready_next(listening);
    }
}

static void errand_leave(struct errand *errand)
{
    if (errand != NULL)
        errand->client = NULL;
}

void notify_let_go(struct client *client)
{
    struct listening *listening = client->listening;

    if (listening == NULL)
        return;
    client->listening = NULL;
    client->relay.held = false;
    errand_leave(listening->errand);
    errand_leave(listening->fence);
    listening->queued = 0;
    listening_forget_all(listening);
    list_remove(&listening->doomed);
    table_free(&listening->subscriptions);
    ear_detach(listening->ear);
    free(listening->queue);
    free(listening->answer.names);
    free(listening);
}
