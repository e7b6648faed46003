/* SPDX-License-Identifier: PostgreSQL
 * ear - one worker's part of a hub: which of its clients listen to what, and the fan-out to them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/list.h"
#include "gateway/base/table.h"
#include "gateway/notify/hub.h"

struct listening;

struct ear {
    struct hub *hub;       /* retained */
    struct worker *worker;
    struct table channels;
    size_t users, errands; /* clients attached to it; errands on their way */
};

/* Here while a client of this worker listens, or asked to. */
struct ear_channel {
    struct table_link link;
    struct ear *ear;
    struct list subscribers;
    size_t asked; /* errands on their way that name it */
    char name[CHANNEL_BYTES];
};

/* One client listens to one channel. */
struct subscription {
    struct list in_channel, in_client;
    struct table_link link; /* listening->subscriptions */
    struct ear_channel *channel;
    struct listening *listening;
    bool kept;              /* for comparing with PostgreSQL's list */
};

/* The ear for the database and encoding of this client, attached to; NULL when out of memory. */
struct ear *ear_attach(struct client *client, const char *encoding);
void ear_detach(struct ear *ear);
/* The end of the process: frees it as it is. */
void ear_abandon(struct ear *ear);

/* Sends an errand whose channels are filled in. False: out of memory, the errand is freed. */
bool ear_send(struct ear *ear, struct errand *errand);
/* mailbox letter: an errand came back. Tells its client (listening_errand_back). */
void ear_errand_back(struct letter *letter, void *owner);
/* mailbox letter: notifications came. */
void ear_parcel(struct letter *letter, void *owner);

/* False: out of memory. Listening twice is listening once. */
bool ear_subscribe(struct ear *ear, struct listening *listening, const char *name);
void ear_unsubscribe(struct subscription *subscription);
