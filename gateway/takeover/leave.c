/* SPDX-License-Identifier: PostgreSQL
 * leave - sessions of one worker that go to the process that takes over. While one is on its way it stays as
 * it is here, unread and silent, and is let go of only when the other process is ready for it. */
#include "gateway/takeover/leave.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/client.h"
#include "gateway/client_moves.h"
#include "gateway/gateway.h"
#include "gateway/notify/ear.h"
#include "gateway/notify/listening.h"
#include "gateway/relay.h"
#include "gateway/relay_state.h"
#include "gateway/session/suspicion.h"
#include "gateway/takeover/packing.h"
#include "gateway/wire/frame.h"
#include "gateway/worker.h"
#include "router/pool_secrets.h"

enum { UNDER_WAY_MAX = 64, PATIENCE_US = 10000000 };

static bool listens_quietly(const struct listening *listening)
{
    return listening == NULL ||
           (listening->step == MOVE_NONE && listening->stage == STAGE_NONE && !listening->suspected &&
            !listening->server_listens && !listening->stays && !listening->waits &&
            listening->errand == NULL && listening->fence == NULL && listening->queued == 0);
}

static bool is_between(const struct relay *relay)
{
    return relay->passing == 0 && !relay->skip_to_sync && !relay->barrier && !relay->unsynced &&
           !relay->copying && !relay->refused && !relay->reserved && !relay->held && !relay->dedicated;
}

/* Nobody but its clients can log in to PostgreSQL for this pool: without their servers they could do nothing
 * elsewhere. */
static bool is_bound(const struct client *client)
{
    const struct auth_options *auth = &client->generation->snapshot->auth;

    if (auth->type != AUTH_RELAY || auth->passfile != NULL || auth->file != NULL)
        return false;
    return !pool_has_secrets(client->pool);
}

static bool can_leave(const struct client *client)
{
    bool shares = client->verdict.mode == MODE_TRANSACTION || client->verdict.mode == MODE_STATEMENT;

    return client->state == CLIENT_IDLE && shares && client->server == NULL && client->pins == 0 &&
           client->stream.tls == NULL && !client->stream.broken && !client->stays &&
           client->waiter.want == WANT_POOLED && !client->unnamed.unread && !state_is_open(client) &&
           (client->suspicion == NULL || !client->suspicion->stirred) && is_between(&client->relay) &&
           listens_quietly(client->listening) && !is_bound(client);
}

static void turn_over(struct letter *letter, void *owner);

/* What is queued and kept is settled when the turn is over, and not before. */
static void turn_send(struct worker *worker)
{
    if (worker->passages.turn_sent)
        return;
    worker->passages.turn_sent = true;
    worker->passages.turn.deliver = turn_over;
    mailbox_send(&worker->mailbox, &worker->passages.turn);
}

void leave_begin(struct client *client)
{
    struct worker *worker = client->worker;

    if (!can_leave(client) || passage_new(client, &worker->passages.leaving, passage_token(client)) == NULL)
        return;
    client_enter(client, CLIENT_LEAVING);
    turn_send(worker);
}

static void forget_mark(struct listening *listening, const struct passage *passage)
{
    struct subscription *subscription =
        listening == NULL || *passage->mark == '\0' ? NULL : listening_find(listening, passage->mark);

    if (subscription != NULL)
        listening_forget(listening, subscription);
}

/* It is served here as before. */
static void stay(struct passage *passage)
{
    struct client *client = passage->client;
    struct listening *listening = client->listening;

    forget_mark(listening, passage);
    if (listening != NULL && listening->errand != NULL) {
        listening->errand->client = NULL;
        listening->errand = NULL;
    }
    passage_free(passage);
    client_enter(client, CLIENT_IDLE);
    stream_resume(&client->stream);
}

static void recall(struct passage *passage)
{
    passage_say(passage, SIDE_NEW, PACKET_RECALLED, NULL, 0);
    passage->client->stays = true;
    stay(passage);
}

/* Whether everything that was said to it left. */
static bool is_flushed(struct client *client)
{
    stream_flush(&client->stream);
    return stream_backlog(&client->stream) == 0 && !client->stream.broken;
}

static void send_client(struct passage *passage)
{
    struct client *client = passage->client;
    struct worker *worker = client->worker;
    struct pack pack = {0};
    struct note *note = NULL;
    int fd;

    stream_pause(&client->stream);
    if (!is_flushed(client)) {
        stay(passage);
        return;
    }
    fd = fcntl(client->stream.fd, F_DUPFD_CLOEXEC, 3);
    if (fd >= 0 && packing_client(client, &pack))
        note = note_new(NOTE_PACKET, pack.bytes, pack.used, fd);
    else if (fd >= 0)
        close(fd);
    pack_free(&pack);
    if (note == NULL) {
        client->stays = true;
        stay(passage);
        return;
    }
    note->side = SIDE_NEW;
    note->packet = PACKET_CLIENT;
    note->era = worker->passages.era;
    passage->stage = PASSAGE_SENT;
    passage->since_us = worker->thread.now_us;
    worker->passages.under_way++;
    note_to_main(worker->gateway, note);
}

/* From here on it is the other process's alone. */
static void depart(struct passage *passage)
{
    struct client *client = passage->client;

    passage_say(passage, SIDE_NEW, PACKET_GONE, NULL, 0);
    passage_free(passage);
    atomic_fetch_add(&client->worker->gateway->counters.sessions_left, 1);
    client_depart(client);
}

static void turn_over(struct letter *letter, void *owner)
{
    struct worker *worker = owner;
    struct passages *passages = &worker->passages;

    (void)letter;
    passages->turn_sent = false;
    list_each(link, following, &passages->leaving) {
        struct passage *passage = list_entry(link, struct passage, link);

        if (passage->stage == PASSAGE_BEGUN && passages->under_way < UNDER_WAY_MAX)
            send_client(passage);
        else if (passage->stage == PASSAGE_MARKED && is_flushed(passage->client))
            depart(passage);
    }
}

/* The new process listens for it on a channel of its own, which is to be heard here as well. */
static void ask_for_mark(struct passage *passage, struct reader *reader)
{
    struct listening *listening = passage->client->listening;
    const char *mark = reader_string(reader);
    struct errand *errand = NULL;

    passage->number = unpack_u64(reader);
    if (*mark != '\0' && strlen(mark) < CHANNEL_BYTES && !reader->bad && listening != NULL)
        errand = errand_new(listening->ear->hub, passage->client, ERRAND_LISTEN, 1);
    if (errand != NULL)
        strcpy(errand->channels[0], mark);
    if (errand == NULL || !ear_send(listening->ear, errand)) {
        recall(passage);
        return;
    }
    strcpy(passage->mark, mark);
    listening->errand = errand;
    passage->stage = PASSAGE_ASKING;
}

void leave_errand_back(struct client *client, struct errand *errand)
{
    struct passage *passage = client->passage;

    client->listening->errand = NULL;
    if (errand->end != ERRAND_DONE ||
        !ear_subscribe(client->listening->ear, client->listening, passage->mark)) {
        recall(passage);
        return;
    }
    passage->stage = PASSAGE_HEARING;
    passage_say(passage, SIDE_NEW, PACKET_HEARING, NULL, 0);
}

bool leave_is_past(struct client *client, const unsigned char *message, size_t size)
{
    struct passage *passage = client->passage;
    struct reader reader;
    const char *channel, *payload;

    if (passage->stage == PASSAGE_MARKED)
        return true;
    reader_init(&reader, message + FRAME_HEADER_BYTES, size - FRAME_HEADER_BYTES);
    (void)reader_u32(&reader);
    channel = reader_string(&reader);
    payload = reader_string(&reader);
    if (passage->stage != PASSAGE_HEARING || strcmp(channel, passage->mark) != 0)
        return false;
    if (strtoull(payload, NULL, 10) == passage->number) {
        passage->stage = PASSAGE_MARKED;
        turn_send(client->worker);
    }
    return true; /* the mark of another session */
}

static void on_ready(struct passage *passage, struct reader *reader)
{
    struct worker *worker = passage->client->worker;
    bool listens =
        passage->client->listening != NULL && passage->client->listening->subscriptions.count > 0;

    if (passage->stage != PASSAGE_SENT)
        return;
    if (listens)
        ask_for_mark(passage, reader);
    else
        depart(passage);
    turn_send(worker);
}

static void on_packet(struct worker *worker, struct note *note)
{
    struct passage *passage;
    struct reader reader;

    reader_init(&reader, note->body, note->size);
    passage = passage_find(&worker->passages.leaving, unpack_u64(&reader));
    if (passage == NULL || passage->stage == PASSAGE_BEGUN)
        return;
    if (note->packet == PACKET_READY) {
        on_ready(passage, &reader);
    } else if (note->packet == PACKET_DECLINED) {
        passage->client->stays = true;
        stay(passage);
        turn_send(worker);
    }
}

static void drain(struct worker *worker, uint32_t era)
{
    worker->passages.draining = true;
    worker->passages.ending = false;
    worker->passages.era = era;
    list_each(link, following, &worker->clients) {
        struct client *client = list_entry(link, struct client, link);

        client->stays = false;
        leave_begin(client);
    }
}

void leave_hear(struct worker *worker, struct note *note)
{
    switch (note->kind) {
    case NOTE_PACKET:
        on_packet(worker, note);
        return;
    case NOTE_DRAIN:
        drain(worker, note->era);
        return;
    case NOTE_END:
        worker->passages.ending = worker->passages.draining;
        return;
    case NOTE_STAY:
        worker->passages.draining = worker->passages.ending = false;
        list_each(link, following, &worker->passages.leaving)
            stay(list_entry(link, struct passage, link));
        return;
    case NOTE_ALONE:
        return;
    }
}

/* Sessions that cannot go and are between transactions. Direct ones are left to finish. */
static bool is_to_end(const struct client *client)
{
    if (client->state == CLIENT_CONSOLE || client->state == CLIENT_IDLE)
        return true;
    return client->state == CLIENT_ACTIVE && !relay_busy(client);
}

void leave_sweep(struct worker *worker, uint64_t now_us)
{
    struct passages *passages = &worker->passages;

    if (!passages->draining)
        return;
    list_each(late, after, &passages->leaving) {
        struct passage *passage = list_entry(late, struct passage, link);

        if (passage->stage != PASSAGE_BEGUN && now_us > passage->since_us + PATIENCE_US)
            recall(passage);
    }
    list_each(link, following, &worker->clients) {
        struct client *client = list_entry(link, struct client, link);

        leave_begin(client);
        if (passages->ending && is_to_end(client))
            client_close(client, REASON_REPLACED, NULL);
    }
    turn_send(worker);
}
