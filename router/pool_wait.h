/* SPDX-License-Identifier: PostgreSQL
 * pool_wait - what becomes of those who wait for a server: the pool's reserve, the order among pools, and
 * the word that they wait. */
#pragma once

#include <stdint.h>

#include "router/shard.h"

/* How many servers the pool may have now: its size, and its reserve once somebody has waited for long. */
int pool_size_now(struct pool *pool, uint64_t now_us);

/* Since when the pool's first waiter waits, earlier by its route's priority; UINT64_MAX: nobody does. Where
 * pools contend for the same room the smallest goes first: a priority is worth so many seconds of waiting
 * and no more, so that nobody starves. */
uint64_t pool_rank(struct pool *pool);

/* Tells those who have waited for query_wait_notify, once for each wait. */
void pool_notify_waiters(struct pool_shard *shard, uint64_t now_us);
