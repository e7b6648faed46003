/* SPDX-License-Identifier: PostgreSQL
 * hub - the one connection that listens for all clients of a database: errands in, parcels out.
 * Errands become commands on the connection in the order in which they come, so that a LISTEN and the
 * UNLISTEN of another worker never overtake each other. */
#include "gateway/notify/hub.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/client.h"
#include "gateway/gateway.h"
#include "gateway/notify/ear.h"
#include "gateway/notify/hubs.h"
#include "gateway/wire/fields.h"
#include "gateway/wire/frame.h"
#include "gateway/worker.h"

enum {
    PATIENCE_US = 5000000,       /* how long an errand waits for a connection */
    TEXT_BYTES = 8192,           /* of the queries that listen again */
    PARCELS_HIGH_BYTES = 4194304 /* above it PostgreSQL is not read */
};

struct errand *errand_new(struct hub *hub, struct client *client, enum errand_kind kind, size_t count)
{
    struct errand *errand = calloc(1, sizeof *errand + count * sizeof errand->channels[0]);

    if (errand == NULL)
        return NULL;
    hub_retain(hub);
    errand->hub = hub;
    errand->kind = kind;
    errand->count = count;
    errand->client = client;
    list_init(&errand->link);
    if (client == NULL)
        return errand;
    pool_retain(client->pool);
    errand->pool = client->pool;
    errand->worker = client->worker;
    return errand;
}

void errand_free(struct errand *errand)
{
    if (errand->pool != NULL)
        pool_release(errand->pool);
    hub_release(errand->hub);
    free(errand);
}

static void errand_back(struct errand *errand, enum errand_end end)
{
    struct hub *hub = errand->hub;

    hub_parcels_send(hub); /* what came before arrives before */
    list_remove(&errand->link);
    errand->end = end;
    errand->letter.deliver = ear_errand_back;
    mailbox_send(&errand->worker->mailbox, &errand->letter);
}

static void errands_back(struct list *errands, enum errand_end end)
{
    list_each(link, following, errands)
        errand_back(list_entry(link, struct errand, link), end);
}

struct hub_channel *hub_channel_find(const struct hub *hub, const char *name)
{
    struct table_link *link = table_find(&hub->channels, table_hash(name, strlen(name), 0));

    for (; link != NULL; link = table_next(link)) {
        struct hub_channel *channel = table_entry(link, struct hub_channel, link);

        if (strcmp(channel->name, name) == 0)
            return channel;
    }
    return NULL;
}

/* From the moment it is asked for, so that another worker's DROP does not end it. */
static bool channel_add(struct hub *hub, const char *name, const struct worker *worker)
{
    struct hub_channel *channel = hub_channel_find(hub, name);

    if (channel == NULL) {
        channel = calloc(1, sizeof *channel);
        if (channel == NULL ||
            !table_add(&hub->channels, &channel->link, table_hash(name, strlen(name), 0))) {
            free(channel);
            return false;
        }
        memcpy(channel->name, name, CHANNEL_BYTES);
    }
    channel->workers |= UINT64_C(1) << worker->thread.index;
    return true;
}

/* LISTEN name; ... and, for ERRAND_MOVE, the mark. */
static bool errand_say(struct errand *errand)
{
    char *text = malloc(errand->count * LISTEN_TEXT_BYTES + LISTEN_TEXT_BYTES), *end = text;
    struct hub *hub = errand->hub;
    struct list alone;
    bool said;

    if (text == NULL)
        return false;
    *end = '\0';
    for (size_t i = 0; i < errand->count; i++)
        end = listen_text_add(end, "LISTEN", errand->channels[i], errand->bare);
    if (errand->kind == ERRAND_MOVE)
        end += snprintf(end, LISTEN_TEXT_BYTES, "NOTIFY %s, '%llu'", hub->marker,
                        (unsigned long long)errand->number);
    list_init(&alone);
    list_append(&alone, &errand->link);
    said = hub_say(hub, text, (size_t)(end - text), &alone);
    list_remove(&alone);
    free(text);
    return said;
}

static void fences_say(struct hub *hub)
{
    if (!hub->fencing && !list_empty(&hub->fences))
        hub->fencing = hub_say(hub, "", 0, &hub->fences);
}

static void fence_take(struct hub *hub, struct errand *errand)
{
    if (hub->state != HUB_READY) {
        errand_back(errand, ERRAND_LOST);
        return;
    }
    list_append(&hub->fences, &errand->link);
    fences_say(hub);
}

static void drop_take(struct hub *hub, struct errand *errand)
{
    struct hub_channel *channel = hub_channel_find(hub, errand->channels[0]);
    char text[LISTEN_TEXT_BYTES];

    if (channel != NULL) {
        channel->workers &= ~(UINT64_C(1) << errand->worker->thread.index);
        if (channel->workers == 0) {
            char *end = listen_text_add(text, "UNLISTEN", channel->name, false);

            table_remove(&hub->channels, &channel->link);
            free(channel);
            if (hub->state == HUB_READY)
                (void)hub_say(hub, text, (size_t)(end - text), NULL);
        }
    }
    errand_free(errand);
}

static void listen_take(struct hub *hub, struct errand *errand)
{
    for (size_t i = 0; i < errand->count; i++)
        if (!channel_add(hub, errand->channels[i], errand->worker)) {
            errand_back(errand, ERRAND_FAILED);
            return;
        }
    errand->since_us = clock_now_us();
    if (hub->state == HUB_READY) {
        if (!errand_say(errand))
            errand_back(errand, ERRAND_FAILED);
        return;
    }
    list_append(&hub->waiting, &errand->link);
    if (hub->pool == NULL) {
        hub_retain(hub); /* for the connection, with the pool */
        hub->pool = errand->pool;
        pool_retain(hub->pool);
    } else if (hub->state == HUB_RESTING && hub->pool != errand->pool) {
        pool_release(hub->pool); /* perhaps this one may log in */
        hub->pool = errand->pool;
        pool_retain(hub->pool);
    } else {
        return;
    }
    hub_connect(hub);
}

/* Nobody listens any more, or asks to: the connection would only stand in the way of DROP DATABASE. */
static void hub_rest(struct hub *hub)
{
    if (hub->pool != NULL && hub->channels.count == 0 && list_empty(&hub->waiting) &&
        list_empty(&hub->fences) && (hub->state == HUB_RESTING ||
        (hub->state == HUB_READY && list_empty(&hub->commands))))
        hub_disconnect(hub);
}

static void errand_take(struct letter *letter, void *owner)
{
    struct errand *errand = (struct errand *)letter;
    struct hub *hub = errand->hub;

    (void)owner;
    if (hub->hubs->closing) {
        errand_free(errand);
        return;
    }
    hub_retain(hub);
    if (errand->kind == ERRAND_DROP)
        drop_take(hub, errand);
    else if (errand->kind == ERRAND_FENCE)
        fence_take(hub, errand);
    else
        listen_take(hub, errand);
    hub_rest(hub);
    hub_release(hub);
}

void errand_send(struct errand *errand)
{
    errand->letter.deliver = errand_take;
    mailbox_send(&errand->hub->owner->mailbox, &errand->letter);
}

/* Everything that somebody listens to, in queries of some size. */
static void listen_again(struct hub *hub)
{
    char text[TEXT_BYTES], *end = listen_text_add(text, "LISTEN", hub->marker, true);

    for (size_t i = 0; hub->channels.count > 0 && i <= hub->channels.mask; i++)
        for (struct table_link *link = hub->channels.buckets[i]; link != NULL; link = link->next) {
            if (end > text + sizeof text - LISTEN_TEXT_BYTES) {
                (void)hub_say(hub, text, (size_t)(end - text), NULL);
                end = text;
            }
            end = listen_text_add(end, "LISTEN", table_entry(link, struct hub_channel, link)->name, false);
        }
    (void)hub_say(hub, text, (size_t)(end - text), NULL);
}

void hub_ready(struct hub *hub)
{
    listen_again(hub);
    list_each(link, following, &hub->waiting) {
        struct errand *errand = list_entry(link, struct errand, link);

        list_remove(link);
        if (!errand_say(errand))
            errand_back(errand, ERRAND_FAILED);
    }
}

void hub_failed(struct hub *hub, bool refused)
{
    uint64_t now_us = clock_now_us();

    list_each(link, following, &hub->waiting) {
        struct errand *errand = list_entry(link, struct errand, link);

        if (refused || now_us > errand->since_us + PATIENCE_US)
            errand_back(errand, refused ? ERRAND_REFUSED : ERRAND_LOST);
    }
    hub_rest(hub);
}

/* What PostgreSQL did not answer is asked again on the next connection; fences have lost their meaning. */
void hub_lost(struct hub *hub)
{
    while (!list_empty(&hub->commands)) {
        struct command *command = list_entry(hub->commands.prev, struct command, link);

        list_remove(&command->link);
        list_each(link, following, &command->errands) {
            struct errand *errand = list_entry(link, struct errand, link);

            list_remove(link);
            if (errand->kind == ERRAND_FENCE)
                errand_back(errand, ERRAND_LOST);
            else
                list_push(&hub->waiting, &errand->link);
        }
        free(command);
    }
    errands_back(&hub->fences, ERRAND_LOST);
    hub->fencing = false;
}

void hub_command_done(struct hub *hub)
{
    struct command *command = list_entry(hub->commands.next, struct command, link);

    list_remove(&command->link);
    list_each(link, following, &command->errands) {
        struct errand *errand = list_entry(link, struct errand, link);

        if (errand->kind == ERRAND_FENCE)
            hub->fencing = false;
        errand_back(errand, command->failed || errand->kind == ERRAND_MOVE ? ERRAND_FAILED : ERRAND_DONE);
    }
    free(command);
    fences_say(hub);
    hub_rest(hub);
}

/* The mark of an ERRAND_MOVE: from here on the channels are heard here. */
static void mark_take(struct hub *hub, const char *payload)
{
    struct command *command;

    if (list_empty(&hub->commands))
        return;
    command = list_entry(hub->commands.next, struct command, link);
    list_each(link, following, &command->errands) {
        struct errand *errand = list_entry(link, struct errand, link);

        if (errand->kind == ERRAND_MOVE && errand->number == strtoull(payload, NULL, 10))
            errand_back(errand, ERRAND_DONE);
    }
}

static bool parcel_add(struct hub *hub, int worker, const unsigned char *message, size_t size, size_t arrival)
{
    struct parcel *parcel = hub->open[worker];

    if (parcel == NULL) {
        parcel = malloc(sizeof *parcel + arrival);
        if (parcel == NULL)
            return false;
        hub_retain(hub);
        parcel->hub = hub;
        parcel->worker = &hub->owner->gateway->workers[worker];
        parcel->used = 0;
        hub->open[worker] = parcel;
    }
    memcpy(parcel->bytes + parcel->used, message, size);
    parcel->used += size;
    return true;
}

bool hub_notification(struct hub *hub, const unsigned char *message, size_t size, size_t arrival)
{
    const struct hub_channel *found;
    struct reader reader;
    const char *channel, *payload;

    reader_init(&reader, message + FRAME_HEADER_BYTES, size - FRAME_HEADER_BYTES);
    (void)reader_u32(&reader);
    channel = reader_string(&reader);
    payload = reader_string(&reader);
    if (reader.bad || reader_left(&reader) != 0)
        return false;
    if (strcmp(channel, hub->marker) == 0) {
        mark_take(hub, payload);
        return true;
    }
    found = hub_channel_find(hub, channel);
    for (int i = 0; found != NULL && i < hub->owner->gateway->worker_count; i++)
        if ((found->workers >> i & 1) != 0 && !parcel_add(hub, i, message, size, arrival))
            return false;
    return true;
}

void hub_parcels_send(struct hub *hub)
{
    for (int i = 0; i < hub->owner->gateway->worker_count; i++) {
        struct parcel *parcel = hub->open[i];

        if (parcel == NULL)
            continue;
        hub->open[i] = NULL;
        hub->parcel_bytes += parcel->used;
        parcel->letter.deliver = ear_parcel;
        mailbox_send(&parcel->worker->mailbox, &parcel->letter);
    }
    if (hub->parcel_bytes > PARCELS_HIGH_BYTES && hub->server != NULL)
        stream_pause(&hub->server->stream);
}

void hub_parcel_back(struct parcel *parcel)
{
    struct hub *hub = parcel->hub;

    hub->parcel_bytes -= parcel->used;
    free(parcel);
    if (!hub->hubs->closing && hub->server != NULL && hub->server->stream.paused &&
        hub->parcel_bytes <= PARCELS_HIGH_BYTES / 2)
        stream_resume(&hub->server->stream);
}
