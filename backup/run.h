/* SPDX-License-Identifier: PostgreSQL
 * run - one run of a job, from the locks to the summary. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "backup/label.h"

struct fault;
struct job_options;
struct runner_options;

/* What there is to tell about a run; label is "" when it did not come so far. */
struct run_result {
    char label[LABEL_BYTES];
    int64_t bytes;
    const char *verified; /* the level that was passed, or "none" */
};

/* Makes, publishes and verifies one backup. A repository that failed while another took the backup fails
 * the run at its end, after its fault was printed. */
bool run_job(const struct runner_options *options, const struct job_options *job, bool quiet,
             struct run_result *result, struct fault *fault);
