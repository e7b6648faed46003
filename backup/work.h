/* SPDX-License-Identifier: PostgreSQL
 * work - one of PostgreSQL's programs at work under a progress bar: the pulse of runs, verifications and
 * restores. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "backup/child.h"
#include "backup/failure.h"
#include "backup/progress.h"
#include "backup/pulse.h"
#include "backup/pump.h"

/* Must not move after work_init, because its pulses point to it. */
struct work {
    struct pulse pulse; /* drains the child, moves the bar; give it to every wait */
    struct progress progress;
    struct child child;
    struct pump pump;       /* moves the program's input or output, started by pipeline_store or _fetch */
    enum failure otherwise; /* what a failure of the child means when reasons.def does not know it */
    bool watched;           /* every wait ends when the child failed */
    uint64_t (*measure)(void *context); /* tells the bytes of the phase so far; NULL = nothing to tell */
    void *measure_context;
    int measured_fd; /* of work_measure_tree; -1 = none */
    uint64_t measured_base;
};

void work_init(struct work *work, bool quiet);

/* The progress is what grows from now on below this directory; -1 for no progress. */
void work_measure_tree(struct work *work, int directory_fd);

/* Starts the program; from now on a wait with the pulse fails as soon as the program fails. */
bool work_start(struct work *work, const struct command *command, enum failure otherwise,
                struct fault *fault);

/* Waits for the end of the program and of its pump, and explains a failure. */
bool work_finish(struct work *work, struct fault *fault);

/* Both of the above. */
bool work_run(struct work *work, const struct command *command, enum failure otherwise, struct fault *fault);

/* Ends the program and its pump if they still run. */
void work_abandon(struct work *work);
