/* SPDX-License-Identifier: PostgreSQL
 * pump - pulls a chain of filters into a descriptor in a thread of its own, while the runner talks to the
 * server.
 *
 * The thread owns the chain from pump_start to its end; `state` is the only letter between the two. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "backup/pulse.h"
#include "gateway/base/fault.h"

struct filter;

enum pump_state { PUMP_IDLE, PUMP_WORKING, PUMP_DONE, PUMP_FAILED };

/* Must not move after pump_init. */
struct pump {
    struct pulse pulse;    /* for the filters of the chain: ends their waits when the pump must stop */
    atomic_int state;      /* an enum pump_state; IDLE = no thread */
    atomic_bool stop;
    pthread_t thread;
    struct filter *chain;
    int to_fd;
    const char *to;        /* for faults, not copied */
    struct fault fault;    /* valid once FAILED */
};

void pump_init(struct pump *pump);

/* Takes over the chain and the descriptor, a file or a pipe. A reader who goes away early does not end the
 * chain: the rest is pulled and dropped, so that its checks still see everything. */
void pump_start(struct pump *pump, struct filter *chain, int to_fd, const char *to);

/* Fails when the pump did. Its descriptor stays open then, so that no program takes a cut for the end. */
bool pump_check(struct pump *pump, struct fault *fault);

/* Waits for the end of the stream; pulls no more when the pulse fails. Nothing when it is idle. */
bool pump_finish(struct pump *pump, const struct pulse *pulse, struct fault *fault);

/* Stops it, closes and frees everything. Nothing when it is idle. */
void pump_end(struct pump *pump);
