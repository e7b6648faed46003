/* SPDX-License-Identifier: PostgreSQL
 * hubs - the registry of all hubs: one for each upstream, database and client_encoding that is listened in.
 * Any thread; found and made only when a client listens for the first time. */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "gateway/base/table.h"

struct hub;
struct pool;
struct worker;

struct hubs {
    pthread_mutex_t lock;
    struct table table; /* [l] */
    bool closing;       /* set when no thread runs any more: letters go nowhere */
};

void hubs_open(struct hubs *hubs);
/* No thread runs any more: letters that are still delivered do nothing from here on. */
void hubs_stop(struct hubs *hubs);
void hubs_close(struct hubs *hubs);

/* The hub for this pool's database, made with the caller as its owner when there is none; retained for the
 * caller. NULL when out of memory. */
struct hub *hubs_get(struct worker *worker, const struct pool *pool, const char *encoding);
void hub_retain(struct hub *hub);
void hub_release(struct hub *hub); /* the last one frees */
