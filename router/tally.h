/* SPDX-License-Identifier: PostgreSQL
 * tally - what was counted for a database, user and route, also by pools that were forgotten since: monitors
 * never see a number run backwards. There are as many as PostgreSQL let anybody in, so nobody can make more
 * by asking for what does not exist. */
#pragma once

#include <stdint.h>

#include "conf/pins.h"
#include "gateway/base/table.h"

struct pool;
struct pools;

struct tally {
    struct table_link link;
    const char *database, *user, *route;
    uint64_t transactions, queries, wait_us, pinnings, refusals, pins[PIN_REASONS];
};

/* The pool is being forgotten: its numbers are kept if there are any. pools->lock is held. */
void tally_keep(struct pools *pools, struct pool *pool);

/* Calls each for every database, user and route with the sums of now; holds pools->lock meanwhile. */
void tally_each(struct pools *pools, void (*each)(const struct tally *tally, void *owner), void *owner);

void tallies_close(struct pools *pools);
