/* SPDX-License-Identifier: PostgreSQL
 * catalog_read - asks PostgreSQL what the functions of a database may do, on a server of the pool between its
 * clients: one simple query, taken and given back like a client does. One question at a time for a database;
 * where something was known it is first asked whether that is still true. */
#pragma once

#include <stdint.h>

struct pool_shard;
struct worker;

/* Begins to ask, unless somebody does or it is too early. The worker that owns the shard. */
void catalog_read(struct pool_shard *shard);

/* Asks where it is due, ends questions that take too long, drops what this worker's shards hold of the
 * past. */
void catalog_sweep(struct worker *worker, uint64_t now_us);

/* At the end of the process: gives up what is asked. */
void catalog_reads_close(struct worker *worker);
