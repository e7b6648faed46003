/* SPDX-License-Identifier: PostgreSQL
 * hub - the one connection that listens for all clients of a database. It belongs to the worker that made it;
 * the others send errands by letter, which come back done, and get parcels of notifications, which come back
 * empty. Letters: [s] constant after start, [w] the owner's, [l] the registry's lock. */
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/list.h"
#include "gateway/base/table.h"
#include "gateway/net/mailbox.h"
#include "gateway/notify/errand.h"
#include "gateway/notify/listen_text.h"

struct client;
struct ear;
struct hubs;
struct pool;
struct server;
struct upstream;
struct worker;

enum { HUB_WORKERS_MAX = 64 };

/* NotificationResponses for one worker, as they lie on the wire. */
struct parcel {
    struct letter letter;
    struct hub *hub; /* retained */
    struct worker *worker;
    size_t used;
    unsigned char bytes[];
};

/* What was sent to PostgreSQL and is not answered; errands may be none (our own) or, of fences, many. */
struct command {
    struct list link, errands;
    bool failed;
};

enum hub_state { HUB_IDLE, HUB_CONNECTING, HUB_READY, HUB_RESTING };

struct hub {
    struct table_link link;
    struct hubs *hubs;
    int references;              /* [l] */
    struct worker *owner;        /* [s] */
    struct upstream *upstream;   /* [s] */
    char *database, *encoding;   /* [s] in one allocation */
    char marker[CHANNEL_BYTES];  /* [s] a channel of our own, see ERRAND_MOVE */
    enum hub_state state;        /* [w] what follows, too */
    struct pool *pool;           /* how the connection logs in; retained, NULL when idle */
    struct server *server;
    struct table channels;
    struct list waiting;         /* errands: until there is a connection */
    struct list commands;        /* in flight, oldest first */
    struct list fences;          /* errands: until the fence in flight is answered */
    bool fencing, complained;
    uint64_t lost_us;
    size_t parcel_bytes;         /* on their way to workers */
    ev_timer retry;
    struct parcel *open[HUB_WORKERS_MAX]; /* being filled */
    struct ear *ears[HUB_WORKERS_MAX];    /* each worker's own */
};

/* Who of the workers has clients that listen to it. */
struct hub_channel {
    struct table_link link;
    uint64_t workers; /* bits */
    char name[CHANNEL_BYTES];
};

/* An errand for one or more channels (of FENCE: none) whose names the caller fills in; NULL: out of memory.
 * */
struct errand *errand_new(struct hub *hub, struct client *client, enum errand_kind kind, size_t count);
void errand_free(struct errand *errand);
/* Gives it to the hub. It comes back to ear_errand_back, except DROP. */
void errand_send(struct errand *errand);

/* hub_link.c: the connection. Owner's thread only. */
void hub_connect(struct hub *hub);
void hub_disconnect(struct hub *hub);
/* Sends one query, and remembers what its answer ends; the errands in `errands` (NULL: none) are taken over.
 * False: out of memory, they are left where they are. */
bool hub_say(struct hub *hub, const char *sql, size_t length, struct list *errands);

/* hub.c, for hub_link.c. */
void hub_ready(struct hub *hub);
void hub_failed(struct hub *hub, bool refused);
void hub_lost(struct hub *hub);
void hub_command_done(struct hub *hub);
bool hub_notification(struct hub *hub, const unsigned char *message, size_t size, size_t arrival);
void hub_parcels_send(struct hub *hub);

struct hub_channel *hub_channel_find(const struct hub *hub, const char *name);
/* A parcel came back empty: it is freed, but not its reference to the hub. */
void hub_parcel_back(struct parcel *parcel);
