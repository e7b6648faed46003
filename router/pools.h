/* SPDX-License-Identifier: PostgreSQL
 * pools - the registry of all pools: found and made at login, forgotten with the last reference; limits,
 * credentials and time-driven work. */
#pragma once

#include "router/shard.h"

void pools_open(struct pools *pools, struct pool_thread **threads, int count);
void pools_close(struct pools *pools);

/* The pool of this database, user and route, made when there is none, retained for the caller. NULL when
 * out of memory. */
struct pool *pools_get(struct pools *pools, const char *database, const char *user,
                       const struct route_options *route, struct upstream *upstream);
/* Gives every pool whose route is in the snapshot that route's new numbers. */
void pools_reload(struct pools *pools, const struct snapshot *snapshot);
void pool_retain(struct pool *pool);
void pool_release(struct pool *pool); /* the last one frees; any thread */

const struct pool_options *pool_options(struct pool *pool);
struct pool_shard *pool_shard(struct pool *pool, struct pool_thread *thread);

/* Remembers how to log in to PostgreSQL for this pool's user: a password, which answers everything and so
 * replaces all that is known, or else both keys of SCRAM, which replace keys. Copies; NULL: not given. */
void pool_set_credentials(struct pool *pool, const char *password, const unsigned char *client_key,
                          const unsigned char *server_key);
/* The same with an MD5 hash: "md5" and 32 lower-case digits. */
void pool_set_md5(struct pool *pool, const char *hash);

/* A statement is about to make, change or drop a database: idle servers of every database that its text
 * names are closed, because PostgreSQL wants it without sessions (and waits five seconds for that). */
void pools_close_idle(struct pools *pools, const char *text, size_t length);
/* The same for all databases: a program that makes or drops one came, and nobody sees what it says. */
void pools_close_all_idle(struct pools *pools);

/* Idle servers of pools that have more of them than clients, because their clients go to another process. */
void pools_close_surplus(struct pools *pools);

/* Called before a pool's memory is freed if it has a catalog; set once at start by the session layer. */
extern void (*pool_catalog_free)(struct pool *pool);

/* Time-driven work of one thread's shards: retries, idle and lifetime limits, min_pool_size, login limits. */
void pool_sweep(struct pool_thread *thread, uint64_t now_us);

/* At the end of the process, when no thread runs any more: closes what this thread had. */
void pool_close_thread(struct pool_thread *thread);
