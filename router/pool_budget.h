/* SPDX-License-Identifier: PostgreSQL
 * pool_budget - a pool's dealings with the ledger of the PostgreSQL server that it connects to. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "router/budget_share.h"

struct budget;
struct pool;
struct pool_shard;
struct pool_thread;
struct server;

/* Takes a slot for the server that this thread opens next: it is then in the thread's hand. False: others
 * have them all; this pool is in the queue, and something is done to free one. share: POOLED, or DIRECT for
 * servers outside the pool's size. */
bool pool_budget_take(struct pool_shard *shard, enum share share, uint64_t now_us);
/* The same for a server that nobody waits for; the pool does not queue. */
bool pool_budget_try(struct pool_shard *shard, uint64_t now_us);
/* The same for what cannot wait. */
void pool_budget_take_anyway(struct pool_shard *shard, enum share share);

/* The pool waits for the budget, not for servers of its own. */
bool pool_budget_waits(const struct pool *pool);
/* Leaves the queue when nobody waits any more. Not with each client that is served: the next one comes soon,
 * and the pool's age in the queue is its clients'. */
void pool_budget_tidy(struct pool *pool);
void pool_budget_close(struct pool *pool); /* before it is freed */

/* A server became free, but its pool owes one to others: closes it, true. */
bool pool_budget_pays(struct server *server);

/* Serves every pool of the thread that has waiters: there may be room now. */
void pool_budget_serve(struct pool_thread *thread);
