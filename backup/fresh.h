/* SPDX-License-Identifier: PostgreSQL
 * fresh - whether the newest verified backup is young enough, and the same facts as metrics. */
#pragma once

#include <stdbool.h>

#include "backup/options.h"

struct arena;
struct fault;

struct fresh_request {
    const char *database;    /* a physical backup counts for every database */
    const char *age;         /* such as "6h" */
    const char *repository;  /* NULL = all */
    enum verify_level level; /* that must have been passed at least */
};

/* Prints one line as monitoring plugins do. FAILURE_STALE (exit code 2, critical) when there is no such
 * backup. */
bool fresh_run(const struct runner_options *options, const struct fresh_request *request,
               struct fault *fault);

/* The label of the newest verified backup of a job, in the arena, and its repository's name; NULL with the
 * fault set (FAILURE_NOT_FOUND) when there is none. `repository` NULL looks in all of the job's. */
const char *fresh_newest(const struct runner_options *options, const struct job_options *job,
                         const char **repository, struct arena *arena, struct fault *fault);

/* The Prometheus text format (version 0.0.4), of every job in each of its repositories: to standard output,
 * or when `file` is given into that file, at once. */
bool fresh_metrics(const struct runner_options *options, const char *file, struct fault *fault);
