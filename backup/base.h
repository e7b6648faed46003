/* SPDX-License-Identifier: PostgreSQL
 * base - what is done with a physical backup: unpacked somewhere, and proved in a scratch directory. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "backup/options.h"

struct arena;
struct fault;
struct subject;

/* Unpacks it into an existing directory, as that user (0 and 0 = the runner itself). */
bool base_unpack(const struct subject *subject, const char *directory, uid_t uid, gid_t gid,
                 struct fault *fault);

/* pg_verifybackup: every file against backup_manifest, and the WAL that the backup needs. */
bool base_check(const struct subject *subject, const char *directory, struct fault *fault);

/* archive: the stream is read whole as a tar with a backup_manifest in it. restore: unpacked, checked,
 * started, recovered until it is consistent. content: and every table and index read by pg_amcheck. */
bool base_verify(const struct subject *subject, enum verify_level level, struct fault *fault);
