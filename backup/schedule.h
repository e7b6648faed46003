/* SPDX-License-Identifier: PostgreSQL
 * schedule - whether a job must begin now: a pure function of its rules, of what was begun last, and of the
 * clock. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "backup/cron.h"

enum { SCHEDULE_GRACE = 300 }; /* seconds that a run may be late without being a missed one */

struct schedule {
    struct cron cron;
    const char *zone;  /* NULL = the machine's */
    const char *job;   /* moves the jitter, so that jobs do not all start at once */
    int64_t jitter;    /* seconds */
    bool catch_up;     /* a missed run is made up for, once */
};

/* The second at which the run that is due then begins: the same one whenever it is asked. */
int64_t schedule_start(const struct schedule *schedule, int64_t due);

/* The next run that was not begun yet; -1 when there is none. */
int64_t schedule_next(const struct schedule *schedule, int64_t last_due);

/* True when a run must begin now; *last_due, what was begun or given up last, is then the newest due time
 * that is not in the future, so that several missed runs become one. A *last_due of 0 (a new job) begins to
 * count now; one from a clock that was more than an hour ahead is pulled back. */
bool schedule_step(const struct schedule *schedule, int64_t *last_due, int64_t now);
