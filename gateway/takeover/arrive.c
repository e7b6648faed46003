/* SPDX-License-Identifier: PostgreSQL
 * arrive - sessions that come to a worker from the process that is taken over. One is served from the moment
 * when the old process says that it is gone, and one that listens, when the hub here listens too. */
#include "gateway/takeover/arrive.h"

#include <string.h>

#include "gateway/base/arena.h"
#include "gateway/base/log.h"
#include "gateway/base/random.h"
#include "gateway/client.h"
#include "gateway/client_moves.h"
#include "gateway/gateway.h"
#include "gateway/notify/ear.h"
#include "gateway/notify/listening.h"
#include "gateway/takeover/leave.h"
#include "gateway/takeover/unpacking.h"
#include "gateway/worker.h"

/* The old process keeps it. */
static void give_back(struct passage *passage)
{
    struct client *client = passage->client;

    client_depart(client); /* passage_abandon says so */
}

static void begin_to_serve(struct passage *passage)
{
    struct client *client = passage->client;

    atomic_fetch_add_explicit(&client->worker->gateway->counters.sessions_arrived, 1, memory_order_relaxed);
    passage_free(passage);
    client_enter(client, CLIENT_IDLE);
    if (client->listening != NULL)
        listening_idle(client->listening);
    stream_resume(&client->stream);
    if (client->worker->passages.draining)
        leave_begin(client);
}

/* Its channels, to be listened to when the old process hears the mark. */
static bool take_channels(struct passage *passage, const struct luggage *luggage)
{
    struct listening *listening = listening_of(passage->client);

    if (listening == NULL)
        return false;
    passage->errand = errand_new(listening->ear->hub, passage->client, ERRAND_MOVE, luggage->channel_count);
    if (passage->errand == NULL)
        return false;
    memcpy(passage->errand->channels, luggage->channels, luggage->channel_count * CHANNEL_BYTES);
    do
        random_fill(&passage->number, sizeof passage->number);
    while (passage->number == 0);
    passage->errand->number = passage->number;
    return true;
}

static void say_ready(struct passage *passage)
{
    struct listening *listening = passage->client->listening;
    struct pack pack = {0};

    pack_text(&pack, listening == NULL ? "" : listening->ear->hub->marker);
    pack_u64(&pack, passage->number);
    if (!pack.bad)
        passage_say(passage, SIDE_OLD, PACKET_READY, pack.bytes, pack.used);
    pack_free(&pack);
}

static bool take_in(struct worker *worker, struct note *note, struct arena *arena, struct fault *fault)
{
    int fd = note->fd;
    struct luggage luggage;
    struct passage *passage;
    struct client *client;

    if (!luggage_unpack(note->body, note->size, arena, &luggage, fault))
        return false;
    note->fd = -1;
    client = unpacking_client(worker, &luggage, fd, fault);
    if (client == NULL)
        return false;
    passage = passage_new(client, &worker->passages.arriving, luggage.token);
    if (passage == NULL) {
        client_depart(client);
        return fault_set(fault, "53200", "out of memory");
    }
    if (luggage.channel_count > 0 && !take_channels(passage, &luggage))
        give_back(passage);
    else
        say_ready(passage);
    return true;
}

static void decline(struct worker *worker, const struct note *note)
{
    struct note *answer = note_new(NOTE_PACKET, note->body, sizeof(uint64_t), -1);

    if (answer == NULL)
        return;
    answer->side = SIDE_OLD;
    answer->packet = PACKET_DECLINED;
    note_to_main(worker->gateway, answer);
}

static void on_client(struct worker *worker, struct note *note)
{
    struct arena *arena = arena_new();
    struct fault fault;

    fault_set(&fault, "53200", "out of memory");
    if (arena == NULL || worker->stopping || !take_in(worker, note, arena, &fault)) {
        log_info(worker->thread.who, "a session of the old process has to stay there: %s",
                 worker->stopping ? "this process is stopping" : fault.message);
        decline(worker, note);
    }
    if (arena != NULL)
        arena_free(arena);
}

static void on_hearing(struct passage *passage)
{
    struct listening *listening = passage->client->listening;
    struct errand *errand = passage->errand;

    if (passage->stage != PASSAGE_BEGUN || errand == NULL)
        return;
    passage->errand = NULL;
    if (!ear_send(listening->ear, errand)) {
        give_back(passage);
        return;
    }
    listening->errand = errand;
    passage->stage = PASSAGE_ASKING;
}

static bool subscribe(struct listening *listening, const struct errand *errand)
{
    for (size_t i = 0; i < errand->count; i++)
        if (!ear_subscribe(listening->ear, listening, errand->channels[i]))
            return false;
    return true;
}

void arrive_errand_back(struct client *client, struct errand *errand)
{
    struct passage *passage = client->passage;

    client->listening->errand = NULL;
    if ((errand->end != ERRAND_DONE && !passage->gone) || !subscribe(client->listening, errand)) {
        give_back(passage);
        return;
    }
    passage->stage = PASSAGE_HEARING;
    if (passage->gone)
        begin_to_serve(passage);
}

static void on_gone(struct passage *passage)
{
    passage->gone = true;
    if (passage->client->listening == NULL || passage->stage == PASSAGE_HEARING)
        begin_to_serve(passage);
    else if (passage->stage == PASSAGE_BEGUN)
        give_back(passage); /* nobody said that it would go: its peer broke the protocol */
}

static void on_packet(struct worker *worker, struct note *note)
{
    struct passage *passage;
    struct reader reader;

    if (note->packet == PACKET_CLIENT) {
        on_client(worker, note);
        return;
    }
    reader_init(&reader, note->body, note->size);
    passage = passage_find(&worker->passages.arriving, unpack_u64(&reader));
    if (passage == NULL)
        return;
    if (note->packet == PACKET_HEARING)
        on_hearing(passage);
    else if (note->packet == PACKET_GONE)
        on_gone(passage);
    else if (!passage->gone)
        give_back(passage);
}

void arrive_hear(struct worker *worker, struct note *note)
{
    if (note->kind == NOTE_PACKET) {
        on_packet(worker, note);
        return;
    }
    list_each(link, following, &worker->passages.arriving) {
        struct passage *passage = list_entry(link, struct passage, link);

        if (!passage->gone)
            give_back(passage);
    }
}
