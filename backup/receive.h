/* SPDX-License-Identifier: PostgreSQL
 * receive - a supervised pg_receivewal: started again when it ends, its segments moved into the store, its
 * replication slot watched. */
#pragma once

#include <stdbool.h>

struct fault;
struct job_options;
struct runner_options;

/* Receives until a signal ends it, which is no fault, or until something must be done by hand. The slot,
 * pgsluice_JOB, is made when it is missing and stays, so that no WAL is lost meanwhile. */
bool receive_run(const struct runner_options *options, const struct job_options *job, struct fault *fault);
