/* SPDX-License-Identifier: PostgreSQL
 * loop - turning an event loop from within a unit test, until something holds or for a little while. */
#pragma once

#include <ev.h>
#include <sched.h>
#include <sys/socket.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"

enum { LOOP_PATIENCE_US = 20000000, LOOP_A_WHILE = 50 };

/* Turns the loop until the condition holds; ends the program when that takes too long. */
#define loop_until(loop, condition)                                                                 \
    do {                                                                                            \
        uint64_t loop_deadline_us = clock_now_us() + LOOP_PATIENCE_US;                              \
                                                                                                    \
        while (!(condition)) {                                                                      \
            CHECK(clock_now_us() < loop_deadline_us);                                               \
            ev_run((loop), EVRUN_NOWAIT);                                                           \
            sched_yield();                                                                          \
        }                                                                                           \
    } while (0)

/* Enough turns for anything that could happen to happen. */
static inline void loop_a_while(struct ev_loop *loop)
{
    for (int i = 0; i < LOOP_A_WHILE; i++)
        ev_run(loop, EVRUN_NOWAIT);
}

/* Two connected non-blocking sockets. */
static inline void loop_sockets(int ends[2])
{
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
}

/* A byte for each place of a long text, so that what is lost, doubled or swapped shows. */
static inline unsigned char loop_byte(size_t at)
{
    return (unsigned char)((at * 2654435761u) >> 13 ^ at >> 16);
}
