/* SPDX-License-Identifier: PostgreSQL
 * content - restores a whole backup into a scratch server and compares every table with its fingerprint. */
#pragma once

#include <stdbool.h>

struct fault;
struct manifest;
struct runner_options;
struct verify_report;
struct work;

/* `path` is the backup's directory. Differences go to report (may be NULL); the fault (FAILURE_CONTENT)
 * tells the first. */
bool content_verify(const struct runner_options *options, const struct manifest *manifest, const char *path,
                    struct work *work, const struct verify_report *report, struct fault *fault);
