/* SPDX-License-Identifier: PostgreSQL
 * run - one run of a job, from the locks to the summary. */
#pragma once

#include <stdbool.h>

struct fault;
struct job_options;
struct runner_options;

/* Makes, publishes and verifies one backup. A repository that failed while another took the backup fails
 * the run at its end, after its fault was printed. */
bool run_job(const struct runner_options *options, const struct job_options *job, bool quiet,
             struct fault *fault);
