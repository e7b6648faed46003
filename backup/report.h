/* SPDX-License-Identifier: PostgreSQL
 * report - what backups there are: list and show, for people and as JSON, on standard output. */
#pragma once

#include <stdbool.h>

struct fault;
struct manifest;
struct runner_options;

/* All backups of all repositories, or of one. Half-made and damaged ones are told apart, never listed as
 * backups. */
bool report_list(const struct runner_options *options, const char *repository, bool json,
                 struct fault *fault);

/* Everything about one backup. */
bool report_show(const struct runner_options *options, const char *repository, const char *label, bool json,
                 struct fault *fault);

/* What a run tells at its end; `repositories` is a list with NULL at its end. */
void report_summary(const struct manifest *manifest, const char *const *repositories, const char *verified);
