/* SPDX-License-Identifier: PostgreSQL
 * relocate - a physical backup into a fresh data directory, ready to be started. */
#pragma once

#include <stdbool.h>

#include "backup/recovery.h"

struct fault;
struct repository_options;
struct subject;

struct relocation {
    const char *directory;
    const struct repository_options *repository; /* where the job's WAL is, when recovery wants it */
    const char *key_file;                        /* as in struct key_search */
    struct recovery recovery;
};

/* Unpacks, checks and syncs it, with the WAL that recovery wants. The directory is made with mode 0700, or
 * must be empty; when the runner is root it belongs to the user run_as afterwards. On failure what was
 * unpacked is removed again. */
bool relocate_run(const struct subject *subject, const struct relocation *relocation,
                  struct fault *fault);
