/* SPDX-License-Identifier: PostgreSQL
 * ear - one worker's part of a hub: which of its clients listen to what, and the fan-out to them. */
#include "gateway/notify/ear.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/client.h"
#include "gateway/gateway.h"
#include "gateway/notify/hubs.h"
#include "gateway/notify/listening.h"
#include "gateway/wire/fields.h"
#include "gateway/wire/frame.h"
#include "gateway/worker.h"

struct ear *ear_attach(struct client *client, const char *encoding)
{
    struct worker *worker = client->worker;
    struct hub *hub = hubs_get(worker, client->pool, encoding);
    struct ear *ear;

    if (hub == NULL)
        return NULL;
    ear = hub->ears[worker->thread.index];
    if (ear != NULL) {
        hub_release(hub);
        ear->users++;
        return ear;
    }
    ear = calloc(1, sizeof *ear);
    if (ear == NULL) {
        hub_release(hub);
        return NULL;
    }
    ear->hub = hub;
    ear->worker = worker;
    ear->users = 1;
    hub->ears[worker->thread.index] = ear;
    return ear;
}

static void ear_free(struct ear *ear)
{
    struct hub *hub = ear->hub;

    table_free(&ear->channels);
    hub->ears[ear->worker->thread.index] = NULL;
    free(ear);
    hub_release(hub);
}

static void ear_rest(struct ear *ear)
{
    if (ear->users == 0 && ear->errands == 0)
        ear_free(ear);
}

void ear_detach(struct ear *ear)
{
    ear->users--;
    ear_rest(ear);
}

void ear_abandon(struct ear *ear)
{
    struct table_link *link;

    while ((link = table_pop(&ear->channels)) != NULL)
        free(table_entry(link, struct ear_channel, link));
    ear_free(ear);
}

static struct ear_channel *channel_find(const struct ear *ear, const char *name)
{
    struct table_link *link = table_find(&ear->channels, table_hash(name, strlen(name), 0));

    for (; link != NULL; link = table_next(link)) {
        struct ear_channel *channel = table_entry(link, struct ear_channel, link);

        if (strcmp(channel->name, name) == 0)
            return channel;
    }
    return NULL;
}

static struct ear_channel *channel_get(struct ear *ear, const char *name)
{
    struct ear_channel *channel = channel_find(ear, name);

    if (channel != NULL || (channel = calloc(1, sizeof *channel)) == NULL)
        return channel;
    channel->ear = ear;
    list_init(&channel->subscribers);
    memcpy(channel->name, name, strlen(name) + 1);
    if (table_add(&ear->channels, &channel->link, table_hash(name, strlen(name), 0)))
        return channel;
    free(channel);
    return NULL;
}

/* The hub is told when nobody here listens, and not while an errand is on its way that would listen again. */
static void channel_rest(struct ear_channel *channel)
{
    struct ear *ear = channel->ear;
    struct errand *errand;

    if (channel->asked > 0 || !list_empty(&channel->subscribers))
        return;
    errand = errand_new(ear->hub, NULL, ERRAND_DROP, 1);
    if (errand != NULL) { /* without it the hub listens in vain until its connection ends */
        memcpy(errand->channels[0], channel->name, CHANNEL_BYTES);
        errand->worker = ear->worker;
        errand_send(errand);
    }
    table_remove(&ear->channels, &channel->link);
    free(channel);
}

static void channels_answered(struct ear *ear, const struct errand *errand, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct ear_channel *channel = channel_find(ear, errand->channels[i]);

        channel->asked--;
        channel_rest(channel);
    }
}

bool ear_send(struct ear *ear, struct errand *errand)
{
    for (size_t i = 0; i < errand->count; i++) {
        struct ear_channel *channel = channel_get(ear, errand->channels[i]);

        if (channel == NULL) {
            channels_answered(ear, errand, i);
            errand_free(errand);
            return false;
        }
        channel->asked++;
    }
    ear->errands++;
    errand_send(errand);
    return true;
}

void ear_errand_back(struct letter *letter, void *owner)
{
    struct errand *errand = (struct errand *)letter;
    struct worker *worker = owner;
    struct ear *ear = errand->hub->ears[worker->thread.index];

    if (errand->hub->hubs->closing) {
        errand_free(errand);
        return;
    }
    if (errand->client != NULL)
        listening_errand_back(errand->client, errand);
    channels_answered(ear, errand, errand->count);
    ear->errands--;
    ear_rest(ear);
    errand_free(errand);
}

bool ear_subscribe(struct ear *ear, struct listening *listening, const char *name)
{
    struct ear_channel *channel = channel_get(ear, name);
    struct subscription *subscription;

    if (channel == NULL)
        return false;
    if (listening_find(listening, name) != NULL)
        return true;
    subscription = calloc(1, sizeof *subscription);
    if (subscription == NULL ||
        !table_add(&listening->subscriptions, &subscription->link, table_hash(name, strlen(name), 0))) {
        free(subscription);
        channel_rest(channel);
        return false;
    }
    subscription->channel = channel;
    subscription->listening = listening;
    list_append(&channel->subscribers, &subscription->in_channel);
    list_append(&listening->all, &subscription->in_client);
    return true;
}

void ear_unsubscribe(struct subscription *subscription)
{
    struct ear_channel *channel = subscription->channel;

    list_remove(&subscription->in_channel);
    list_remove(&subscription->in_client);
    table_remove(&subscription->listening->subscriptions, &subscription->link);
    free(subscription);
    channel_rest(channel);
}

/* Whole frames only: the hub looked at each of them. */
static void fan_out(struct ear *ear, const unsigned char *message, size_t size, struct list *doomed)
{
    const char *name = (const char *)message + FRAME_HEADER_BYTES + 4;
    struct ear_channel *channel = channel_find(ear, name);

    if (channel == NULL)
        return;
    list_each(link, following, &channel->subscribers)
        listening_notify(list_entry(link, struct subscription, in_channel)->listening, message, size, doomed);
}

static void parcel_home(struct letter *letter, void *owner)
{
    struct parcel *parcel = (struct parcel *)letter;
    struct hub *hub = parcel->hub;

    (void)owner;
    hub_parcel_back(parcel);
    hub_release(hub);
}

void ear_parcel(struct letter *letter, void *owner)
{
    struct parcel *parcel = (struct parcel *)letter;
    struct worker *worker = owner;
    struct ear *ear = parcel->hub->ears[worker->thread.index];
    struct list doomed;
    struct frame frame;

    list_init(&doomed);
    for (size_t at = 0; ear != NULL && at < parcel->used; at += frame.size) {
        CHECK(frame_peek(parcel->bytes + at, parcel->used - at, &frame) == FRAME_OK);
        fan_out(ear, parcel->bytes + at, frame.size, &doomed);
    }
    while (!list_empty(&doomed)) /* not before: closing one may end the ear */
        client_close(list_entry(doomed.next, struct listening, doomed)->client, REASON_NOTIFY_HOLD, NULL);
    if (parcel->hub->hubs->closing) {
        parcel_home(letter, NULL);
        return;
    }
    parcel->letter.deliver = parcel_home;
    mailbox_send(&parcel->hub->owner->mailbox, &parcel->letter);
}
