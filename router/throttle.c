/* SPDX-License-Identifier: PostgreSQL
 * throttle - how fast bytes may move. */
#include "router/throttle.h"

/* The bucket holds what comes in in a 20th of a second, so that a rate also holds for short times. */
enum { BURST_PARTS = 20, BURST_LEAST_BYTES = 16384 };

/* A step grows while nobody waits, and the limit falls away when it means nothing any more. */
enum { STEP_BYTES = 1048576, CALM_DOUBLES = 5, DOUBLINGS_MAX = 10 };
static const int64_t rate_without_meaning = INT64_C(20) << 30;

void throttle_set(struct throttle *throttle, int64_t rate, uint64_t now_us)
{
    if (atomic_load_explicit(&throttle->rate, memory_order_relaxed) == rate)
        return;
    if (atomic_load(&throttle->rate) == 0) {
        atomic_store(&throttle->tokens, 0);
        atomic_store(&throttle->filled_us, now_us);
    }
    atomic_store(&throttle->rate, rate);
}

static int64_t burst_of(int64_t rate)
{
    return rate / BURST_PARTS > BURST_LEAST_BYTES ? rate / BURST_PARTS : BURST_LEAST_BYTES;
}

/* Only whole bytes are paid out, and only their time is used up: nothing is lost by rounding. A thread that
 * loses the race leaves it to the other one. */
static void fill(struct throttle *throttle, int64_t rate, uint64_t now_us)
{
    uint64_t filled_us = atomic_load(&throttle->filled_us);
    uint64_t elapsed_us = now_us > filled_us ? now_us - filled_us : 0;
    int64_t tokens = atomic_load(&throttle->tokens), burst = burst_of(rate), more;

    if (elapsed_us > 60000000)
        elapsed_us = 60000000;
    more = (int64_t)((__int128)rate * (__int128)elapsed_us / 1000000);
    if (more == 0)
        return;
    if (tokens + more >= burst) {
        if (atomic_compare_exchange_strong(&throttle->filled_us, &filled_us, now_us))
            atomic_fetch_add(&throttle->tokens, burst - tokens);
    } else if (atomic_compare_exchange_strong(&throttle->filled_us, &filled_us,
                                              now_us - elapsed_us +
                                                  (uint64_t)((__int128)more * 1000000 / rate))) {
        atomic_fetch_add(&throttle->tokens, more);
    }
}

int64_t throttle_room(struct throttle *throttle, uint64_t now_us)
{
    int64_t rate = atomic_load_explicit(&throttle->rate, memory_order_relaxed), tokens;

    if (rate == 0)
        return INT64_MAX;
    fill(throttle, rate, now_us);
    tokens = atomic_load(&throttle->tokens);
    return tokens > 0 ? tokens : 0;
}

void throttle_take(struct throttle *throttle, int64_t bytes)
{
    atomic_fetch_add_explicit(&throttle->bytes, (uint64_t)bytes, memory_order_relaxed);
    if (atomic_load_explicit(&throttle->rate, memory_order_relaxed) != 0)
        atomic_fetch_sub(&throttle->tokens, bytes);
}

/* What really moved is what is cut down: a limit that nothing reaches would take long to mean something. */
static int64_t less(const struct pace *pace, int64_t moved, int64_t least)
{
    int64_t from = pace->rate == 0 || moved < pace->rate ? moved : pace->rate;

    return from / 10 * 7 > least ? from / 10 * 7 : least;
}

static int64_t more(const struct pace *pace)
{
    int doublings = pace->calm / CALM_DOUBLES < DOUBLINGS_MAX ? pace->calm / CALM_DOUBLES : DOUBLINGS_MAX;
    int64_t rate = pace->rate + ((int64_t)STEP_BYTES << doublings);

    return rate > rate_without_meaning ? 0 : rate;
}

int64_t pace_adapt(struct pace *pace, bool others_wait, int64_t moved, int64_t least)
{
    pace->calm = others_wait ? 0 : pace->calm + 1;
    if (others_wait && (moved > 0 || pace->rate != 0))
        pace->rate = less(pace, moved, least);
    else if (!others_wait && pace->rate != 0)
        pace->rate = more(pace);
    return pace->rate;
}
