/* SPDX-License-Identifier: PostgreSQL
 * pools_hold - what an operator says of databases: paused (waiters wait, servers are closed as they come
 * free), disabled (no logins), to be reconnected. database NULL: all of them. Any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct pool;
struct pools;

/* What is known of one database by name; pools->lock. Never forgotten, there are as many as operators type.
 * */
struct hold {
    struct hold *next;
    bool paused, disabled;
    char database[];
};

/* Pauses or resumes; *found: how many pools that concerned. False: out of memory. */
bool pools_pause(struct pools *pools, const char *database, bool paused, size_t *found);
bool pools_paused(struct pools *pools, const char *database);

/* Logins are refused, or allowed again. False: out of memory. */
bool pools_disable(struct pools *pools, const char *database, bool disabled);
bool pools_disabled(struct pools *pools, const char *database);

/* Every server that is open now is closed when its session lets go of it. Returns how many pools. */
size_t pools_renew(struct pools *pools, const char *database);

/* With pools->lock held: a new pool begins as its database was told to be. */
void pool_inherit_hold(struct pool *pool);

void pools_holds_free(struct pools *pools);
