/* SPDX-License-Identifier: PostgreSQL
 * pulse - what every wait of the runner does five times a second: notice a signal, drain children, move the
 * bar. */
#pragma once

#include <stdbool.h>

struct fault;

enum { PULSE_MS = 200 };

/* beat may be NULL. A false return ends the wait with its fault. */
struct pulse {
    bool (*beat)(void *context, struct fault *fault);
    void *context;
};

/* From now on SIGINT, SIGTERM and SIGHUP end waits instead of the process; SIGPIPE is ignored. */
void pulse_catch_signals(void);
bool pulse_stopping(void);

/* One beat: fails when a signal asked the runner to stop, or when beat does. */
bool pulse_beat(const struct pulse *pulse, struct fault *fault);

/* Waits until the descriptor is ready for the poll(2) events, or one beat has passed, then beats. */
bool pulse_wait(const struct pulse *pulse, int fd, short events, struct fault *fault);
