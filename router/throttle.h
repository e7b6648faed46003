/* SPDX-License-Identifier: PostgreSQL
 * throttle - how fast bytes may move: a bucket of tokens that many threads share, and the pace that yields to
 * others: additive increase, multiplicative decrease. Pure accounting; the caller brings the time. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* All zero is no limit. Fields are [a]. */
struct throttle {
    _Atomic int64_t rate;       /* bytes a second; 0 = no limit */
    _Atomic int64_t tokens;     /* bytes that may move now; negative: a debt that time pays off */
    _Atomic uint64_t filled_us; /* up to when the bucket was filled */
    _Atomic uint64_t bytes;     /* that moved, ever */
};

/* From now on so many bytes a second; 0 = no limit. What was saved or owed under another limit is kept. */
void throttle_set(struct throttle *throttle, int64_t rate, uint64_t now_us);

/* Bytes that may be moved now: 0, or as many as the bucket holds; INT64_MAX without a limit. */
int64_t throttle_room(struct throttle *throttle, uint64_t now_us);

/* So many were moved, whether there was room or not; negative: they were not after all. */
void throttle_take(struct throttle *throttle, int64_t bytes);

/* What decides about an adaptive rate. All zero at first: no limit. */
struct pace {
    int64_t rate; /* 0 = no limit */
    int calm;     /* intervals since somebody had to wait */
};

enum { PACE_INTERVAL_US = 100000 };

/* One interval is over: whether others had to wait, and how many bytes a second moved in it. Returns the rate
 * from now on, never below `least`. */
int64_t pace_adapt(struct pace *pace, bool others_wait, int64_t moved, int64_t least);
