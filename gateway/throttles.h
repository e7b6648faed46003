/* SPDX-License-Identifier: PostgreSQL
 * throttles - how fast the direct sessions of each route may move bytes, together: max_rate as a number, or
 * what waiting pooled clients leave ("adaptive"). Worker 0's sweep sets the rates; all workers share the
 * buckets. */
#pragma once

#include <pthread.h>
#include <stdint.h>

#include "gateway/base/list.h"
#include "router/throttle.h"

struct gateway;
struct route_options;
struct worker;

/* The direct sessions of one route; lives as long as the process. */
struct bulk {
    struct list link;
    struct throttle throttle;
    _Atomic int sessions;      /* [a] */
    _Atomic int64_t moved;     /* [a] bytes a second, lately */
    struct pace pace;          /* worker 0's, as the next */
    uint64_t seen_bytes;
    char name[];               /* the route's */
};

struct throttles {
    pthread_mutex_t lock;
    struct list bulks;         /* [l] */
    uint64_t swept_us;         /* worker 0's, as the next */
    uint64_t seen_transactions, seen_late;
};

void throttles_open(struct throttles *throttles);
void throttles_close(struct throttles *throttles);

/* Where a session of this route is counted, at its fixed rate if it has one; NULL: out of memory. */
struct bulk *throttles_enter(struct throttles *throttles, const struct route_options *route);
void throttles_leave(struct bulk *bulk);

/* Worker 0: sets every route's rate for the next interval. */
void throttles_sweep(struct worker *worker, uint64_t now_us);
