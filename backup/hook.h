/* SPDX-License-Identifier: PostgreSQL
 * hook - what surrounds a run: the operator's commands before it, after it and after a failure, and one line
 * of JSON in the log of runs. */
#pragma once

#include <stdbool.h>

struct fault;
struct job_options;
struct runner_options;

/* Runs the job between its hooks. hook_before ends the run before it starts when it fails (FAILURE_HOOK);
 * what the others do changes nothing, but is told. */
bool hook_run(const struct runner_options *options, const struct job_options *job, bool quiet,
              struct fault *fault);
