/* SPDX-License-Identifier: PostgreSQL
 * penalty - how often logins from an address failed lately, and so how long the next failure's answer
 * waits. */
#pragma once

#include <stdint.h>

struct address;
struct penalties;

enum { PENALTIES_MAX = 10000, PENALTY_DOUBLINGS_MAX = 10 };

/* NULL when out of memory. Any thread may call the functions below. */
struct penalties *penalties_new(void);
void penalties_free(struct penalties *penalties);

/* A login from there failed: the delay for its answer, delay_us the first time, twice that the next, up to
 * ten times delay_us. An address that did not fail for ten minutes begins anew; beyond PENALTIES_MAX
 * addresses the one that failed longest ago is forgotten. */
uint64_t penalty_add(struct penalties *penalties, const struct address *address, uint64_t delay_us,
                     uint64_t now_us);
/* A login from there succeeded: nothing is held against it any more. */
void penalty_forget(struct penalties *penalties, const struct address *address);
