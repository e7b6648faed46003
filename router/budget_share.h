/* SPDX-License-Identifier: PostgreSQL
 * budget_share - the arithmetic of the budget: what a share may still take, and what a gateway among others
 * may. Pure functions. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* What a server connection is for. The first three share max_connections; replication has max_wal_senders. */
enum share { SHARE_POOLED, SHARE_DIRECT, SHARE_ADMIN, SHARE_REPLICATION, SHARES };

enum { SHARES_OF_CONNECTIONS = SHARE_REPLICATION, BUDGET_GATEWAYS_MAX = 64, BUDGET_UNLIMITED = 1000000 };

const char *share_name(enum share share);

/* The floors that hold for so many connections: as wanted, or where these are too many in proportion, but one
 * at least while there are enough. */
void budget_floors(int capacity, const int wanted[SHARES_OF_CONNECTIONS], int floors[SHARES_OF_CONNECTIONS]);

/* How many more the share may take of `capacity`, so that every other one can still have its floor. Below 0:
 * so many too many. */
int budget_room(int capacity, const int used[SHARES], const int floors[SHARES_OF_CONNECTIONS],
                enum share share);

/* What a gateway wants of the connections that several share. */
struct budget_demand {
    uint64_t id;
    int want;
};

/* What the one called `self` gets of `total`: the demands are met evenly, what is left over is given out
 * evenly. All gateways that know the same come to the same result. Sorts the demands. */
int budget_split(int total, struct budget_demand *demands, size_t count, uint64_t self);
