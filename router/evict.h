/* SPDX-License-Identifier: PostgreSQL
 * evict - makes room in the budget: closes one idle server of some pool, or has a busy pool that has more
 * than its part give up the next one that becomes free. */
#pragma once

#include <stdint.h>

struct budget;
struct budget_claim;
struct pool;
struct pools;

/* For a claim that was denied; `claimant` NULL: not a pool's. One at a time for each ledger. */
void evict_for(struct pools *pools, struct budget_claim *claim, struct pool *claimant, uint64_t now_us);

/* When pools have more than they may have, since others came. */
void evict_excess(struct pools *pools, struct budget *budget, uint64_t now_us);

/* Servers of this ledger that are idle, and those that clients of pools wait for. */
void evict_survey(struct pools *pools, struct budget *budget, int *idle, int *wanted);
