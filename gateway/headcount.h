/* SPDX-License-Identifier: PostgreSQL
 * headcount - how many connections there are of each user, database, route and address. Any thread; at logins
 * only. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/table.h"

enum headcount_kind {
    HEADCOUNT_ADDRESS,
    HEADCOUNT_USER,
    HEADCOUNT_DATABASE,
    HEADCOUNT_ROUTE,
    HEADCOUNT_KINDS
};

struct headcount_entry; /* one user, one database... while anybody is counted there */

struct headcount {
    pthread_mutex_t lock;
    struct table table; /* [l] */
};

/* Where one connection is counted; all NULL is nowhere. */
struct headcount_seat {
    struct headcount_entry *entries[HEADCOUNT_KINDS];
};

void headcount_open(struct headcount *headcount);
void headcount_close(struct headcount *headcount);

/* Counts the connection, or returns false when `limit` (0: none) are there already. Out of memory it is not
 * counted and let in. */
bool headcount_enter(struct headcount *headcount, struct headcount_seat *seat, enum headcount_kind kind,
                     const void *key, size_t length, int limit);
void headcount_leave(struct headcount *headcount, struct headcount_seat *seat);
