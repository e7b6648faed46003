/* SPDX-License-Identifier: PostgreSQL
 * census - how many connections there are of each user, database, route and address. Any thread; at logins
 * only. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/table.h"

enum census_kind { CENSUS_ADDRESS, CENSUS_USER, CENSUS_DATABASE, CENSUS_ROUTE, CENSUS_KINDS };

struct census_entry; /* one user, one database... while anybody is counted there */

struct census {
    pthread_mutex_t lock;
    struct table table; /* [l] */
};

/* Where one connection is counted; all NULL is nowhere. */
struct census_seat {
    struct census_entry *entries[CENSUS_KINDS];
};

void census_open(struct census *census);
void census_close(struct census *census);

/* Counts the connection, or returns false when `limit` (0: none) are there already. Out of memory it is not
 * counted and let in. */
bool census_enter(struct census *census, struct census_seat *seat, enum census_kind kind, const void *key,
                  size_t length, int limit);
void census_leave(struct census *census, struct census_seat *seat);
