/* SPDX-License-Identifier: PostgreSQL
 * recovery - how far a restored cluster is taken by the WAL that was received: to a time, an LSN, a named
 * restore point, a transaction, or to its end. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct fault;

enum recovery_kind { RECOVERY_NONE, RECOVERY_END, RECOVERY_TIME, RECOVERY_LSN, RECOVERY_NAME, RECOVERY_XID };

struct recovery {
    enum recovery_kind kind;
    const char *value; /* not copied */
};

/* "end", "time=2026-11-21 18:00:00+00", "lsn=0/3000060", "name=before", "xid=7654"; FAILURE_USAGE for
 * anything else. NULL is none. */
bool recovery_parse(const char *text, struct recovery *recovery, struct fault *fault);

/* Adds the settings to postgresql.auto.conf and makes recovery.signal in the data directory, with that owner
 * (0 and 0 = the runner). All WAL must lie in pg_wal already. */
bool recovery_write(const struct recovery *recovery, int data_fd, uid_t uid, gid_t gid, struct fault *fault);
