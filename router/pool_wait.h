/* SPDX-License-Identifier: PostgreSQL
 * pool_wait - what becomes of those who wait for a server: the pool's reserve, the order among pools, and
 * the word that they wait. */
#pragma once

#include <stdint.h>

#include "router/shard.h"

/* How many servers the pool may have now: its size, and its reserve once somebody has waited for long. */
int pool_size_now(struct pool *pool, uint64_t now_us);

/* Ends the waits that took longer than query_wait_timeout, and serves the others where that can be done. */
void pool_sweep_waiters(struct pool_shard *shard, uint64_t now_us);

/* A wait is over; the shard's own thread. */
void pool_note_wait(struct pool_shard *shard, uint64_t waited_us);

/* Tells those who have waited for query_wait_notify, once for each wait. */
void pool_notify_waiters(struct pool_shard *shard, uint64_t now_us);
