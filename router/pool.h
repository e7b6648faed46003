/* SPDX-License-Identifier: PostgreSQL
 * pool - the servers of one database, user and route, shared by all workers. Each worker has a shard of its
 * own: parked servers, servers in use, a FIFO of waiters. A ledger of atomics holds the limit and says
 * who is waiting elsewhere; router/handoff moves servers between shards. */
#pragma once

#include "router/pools.h"
#include "router/shard.h"

struct fault;

/* A clean server at once, or NULL: then the waiter is in the queue and hears by granted or failed. The
 * caller fills in want, profile, startup_name and the two functions. */
struct server *pool_take(struct pool_shard *shard, struct waiter *waiter);

/* The idle server of this shard that suits best, or NULL; it stays idle. */
struct server *pool_fit(struct pool_shard *shard, const struct waiter *waiter);

/* The server whose id is waiter->only, if it is parked here at this moment; NULL otherwise. */
struct server *pool_take_only(struct pool_shard *shard, const struct waiter *waiter);

/* Whether that server is parked here and this client was the last one to change anything through it. */
bool pool_has_sequence(struct pool_shard *shard, uint64_t server_id, uint64_t owner);

/* A session ended: idle servers that bear its traces are closed. */
void pool_forget(struct pool_shard *shard, uint64_t owner);

/* Gives a clean server back: to the oldest waiter anywhere, or it is parked. */
void pool_give(struct server *server);

/* A waiter gives up. */
void pool_leave(struct pool_shard *shard, struct waiter *waiter);

/* Does for this shard's waiters what can be done now. */
void pool_serve(struct pool_shard *shard);

/* A slot of the pool became free; any worker's waiter may use it. */
void pool_slot_free(struct pool_shard *shard);

/* The right to open one more server: of the pool and of the budget, whose slot is in the thread's hand
 * then. */
bool pool_slot_acquire(struct pool_shard *shard, uint64_t now_us);
/* The same for a server that nobody waits for. */
bool pool_spare_acquire(struct pool_shard *shard, uint64_t now_us);

/* Whether a failure of this SQLSTATE passes by itself, so that those who wait go on waiting; and its note:
 * no new connection before server_login_retry is over. */
bool pool_is_passing(const char *sqlstate);
void pool_note_failure(struct pool *pool, const struct fault *fault);
void pool_forget_failure(struct pool *pool);

/* Opens a server that nobody waits for yet, with an acquired slot. */
void pool_open_spare(struct pool_shard *shard, struct profile *profile);
