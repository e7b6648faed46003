/* SPDX-License-Identifier: PostgreSQL
 * timetable - the due time that a job began or gave up last, kept as schedule.json in the job's directory
 * of its first repository that can be used. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct fault;
struct job_options;
struct runner_options;

/* *last_due is 0 when the job was never begun. */
bool timetable_read(const struct runner_options *options, const struct job_options *job, int64_t *last_due,
                    struct fault *fault);
bool timetable_write(const struct runner_options *options, const struct job_options *job, int64_t last_due,
                     struct fault *fault);
