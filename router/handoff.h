/* SPDX-License-Identifier: PostgreSQL
 * handoff - the only file that moves a server from one worker to another: detach, letter, attach. */
#pragma once

#include <stdbool.h>

struct pool;
struct pool_shard;

/* Sends parked servers of this shard to waiters of other shards while there are both and none of our own
 * waits. Cheap when nobody waits. */
void handoff_share(struct pool_shard *shard);

/* True when a waiter of another shard has been waiting so much longer than our first one that a freed server
 * must go there. */
bool handoff_owed_elsewhere(struct pool_shard *shard);

/* Asks a shard that has parked servers to look for waiters. False when no shard has any. */
bool handoff_ask(struct pool_shard *shard);

/* Every worker closes the idle servers of this pool. */
void handoff_close_idle(struct pool *pool);

/* Its worker closes the longest idle server of this shard. */
void handoff_evict(struct pool_shard *shard);

/* Every worker whose clients wait for this pool looks what can be done for them. */
void handoff_wake_waiting(struct pool *pool);

/* Wakes the shard whose waiter is the oldest, because a slot is free. */
void handoff_wake_oldest(struct pool *pool, struct pool_shard *except);
