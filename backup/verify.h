/* SPDX-License-Identifier: PostgreSQL
 * verify - proves a published backup at a level and records the result beside its manifest. */
#pragma once

#include <stdbool.h>

#include "backup/options.h"

struct arena;
struct backup_place;
struct fault;
struct manifest;
struct pulse;
struct work;

/* Receives a finished sentence for every difference; `fatal` is false for a remark. */
struct verify_report {
    void (*say)(void *context, bool fatal, const char *sentence);
    void *context;
};

/* For `say`: to standard error; the context is the struct progress that it interrupts. */
void verify_print_difference(void *context, bool fatal, const char *sentence);

/* Re-reads every file: size, SHA-256, nothing missing, nothing unknown. All differences go to report (may
 * be NULL); the fault tells the first. */
bool verify_files(int dir_fd, const struct manifest *manifest, const struct pulse *pulse,
                  const struct verify_report *report, struct fault *fault);

/* Verifies the backup at the level (not none) and records the result, a failure too, but not a
 * stop. */
bool verify_backup(const struct runner_options *options, const struct backup_place *place,
                   enum verify_level level, struct work *work, const struct verify_report *report,
                   struct fault *fault);
