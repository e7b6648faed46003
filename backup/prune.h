/* SPDX-License-Identifier: PostgreSQL
 * prune - deletes what the rules of retention do not keep, and explains each decision. */
#pragma once

#include <stdbool.h>

struct fault;
struct job_options;
struct repository;
struct runner_options;
struct work;

/* One job in one repository, whose lock the caller holds. Refuses (FAILURE_RETENTION) when the newest backup
 * failed its verification. With `dry` nothing is deleted; `tell` prints a line for each backup. */
bool prune_job(const struct repository *repository, const struct job_options *job, bool dry, bool tell,
               struct fault *fault);

/* Every job of the configuration in each of its repositories, or in the one named. */
bool prune_run(const struct runner_options *options, const char *repository, bool dry, struct fault *fault);
