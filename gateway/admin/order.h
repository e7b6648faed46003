/* SPDX-License-Identifier: PostgreSQL
 * order - a verb of the console on its way: home worker, main, all workers once or until what it waits for
 * has come, and home again. First it looks whom it would hit. */
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/fault.h"
#include "gateway/base/list.h"
#include "gateway/net/mailbox.h"

struct client;
struct gateway;
struct verb;
struct worker;

enum { ORDER_DATABASE_BYTES = 64, ORDER_HITS_BYTES = 384 };

/* What the command said. */
struct order_words {
    char database[ORDER_DATABASE_BYTES]; /* "" = all */
    uint64_t number;                     /* of a client */
    bool force;
};

enum order_phase { ORDER_LOOKS, ORDER_ACTS, ORDER_WAITS };

struct order {
    struct letter letter;
    struct list link;       /* gateway->orders */
    struct gateway *gateway;
    struct worker *home;
    uint64_t client_id;
    const struct verb *verb;
    struct order_words words;
    enum order_phase phase;
    int next;               /* the worker that is visited next */
    bool abandoned;         /* nobody waits for the answer any more */
    bool told;              /* the NOTICE was sent */
    bool done;              /* otherwise fault says why not */
    size_t directs;         /* direct sessions that it hits, or would */
    size_t left;            /* what this round found that it has to wait for */
    bool counts_pools;      /* it was for pools: */
    size_t pools;           /* ... so many */
    char hits[ORDER_HITS_BYTES]; /* the first few direct sessions */
    struct fault fault;
    ev_timer again;
};

/* Sends it off; the console hears of its end. */
void order_give(struct client *client, const struct verb *verb, const struct order_words *words);

/* The words' database as the router takes it: NULL for all. */
const char *order_database(const struct order *order);
bool order_concerns(const struct order *order, const char *database);

/* At the end of the process: those that never came home. */
void orders_free(struct gateway *gateway);
