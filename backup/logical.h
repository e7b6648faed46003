/* SPDX-License-Identifier: PostgreSQL
 * logical - one pg_dump of one database, and its fingerprint taken in the same exported snapshot at the same
 * time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "backup/session.h"

struct arena;
struct database_entry;
struct digest;
struct fault;
struct job_options;
struct pipeline;
struct service;
struct stored;
struct tool;
struct work;

/* What the dumps of one run share. */
struct logical {
    const struct job_options *job;
    const struct pipeline *pipeline;
    struct session_target target; /* its database is set for each dump */
    const struct service *service;
    const struct tool *dump;
    struct work *work;
    struct session *control; /* idle while a dump runs; asked for its progress */
    const char *directory;   /* absolute path of the backup being made */
    int directory_fd;
};

/* Dumps entry->name to entry->path below the directory and fills the rest of the entry. `digest` is that of
 * the file, when it is one. On failure the program was ended; whatever it wrote is for the caller to
 * remove. */
bool logical_dump(const struct logical *logical, struct database_entry *entry, struct digest *digest,
                  struct arena *arena, struct fault *fault);

/* Names of the databases that the job's globs choose, sorted, in the arena; NULL with the fault set when
 * none is left. */
const char **logical_databases(struct session *session, const struct job_options *job, size_t *count,
                               struct arena *arena, struct fault *fault);

/* True when one of the globs matches. */
bool logical_glob_matches(const char *const *globs, size_t count, const char *name);

/* Runs pg_dumpall with `what` (--roles-only, --tablespaces-only), as SQL into that file. */
bool logical_globals(const struct logical *logical, const struct tool *dumpall, const char *const what[2],
                     struct stored *stored, struct fault *fault);
