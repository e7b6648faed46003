/* SPDX-License-Identifier: PostgreSQL
 * serve - starts the jobs of the configuration when their schedules say so, each run in a process of its
 * own; and tells the coming ones. */
#pragma once

#include <stdbool.h>

struct fault;
struct runner_options;

/* Until a signal ends it, which is no fault. `config` is the file that options came from. */
bool serve_run(const struct runner_options *options, const char *config, struct fault *fault);

/* The coming runs of all jobs, the earliest first, on standard output. */
bool serve_next(const struct runner_options *options, bool json, struct fault *fault);
