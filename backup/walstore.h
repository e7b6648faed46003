/* SPDX-License-Identifier: PostgreSQL
 * walstore - the WAL of a physical job in a repository: JOB/incoming/ is where pg_receivewal writes, JOB/wal/
 * holds the finished segments and timeline histories, each through the job's pipeline. */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct fault;
struct key_search;
struct pipeline;
struct repository;
struct work;

/* Descriptors are -1 when closed. */
struct walstore {
    char incoming[PATH_MAX]; /* absolute */
    int wal_fd, incoming_fd;
};

/* Opens both directories of the job's directory; makes them when `create`. Without it, absent directories
 * leave the descriptors at -1, which is no fault. */
bool walstore_open(struct walstore *store, const struct repository *repository, bool create,
                   struct fault *fault);
void walstore_close(struct walstore *store);

/* One receiver at a time; given back by walstore_close. */
bool walstore_lock(struct walstore *store, struct fault *fault);

/* True for a segment ("000000010000000000000003") or a history ("00000002.history"). */
bool walstore_is_name(const char *name, size_t length);

/* Moves what pg_receivewal finished into the store: durable there before it is removed here. Sets how many.
 */
bool walstore_take(const struct walstore *store, const struct pipeline *pipeline, struct work *work,
                   int *taken, struct fault *fault);

/* A pg_wal directory; files in it get that owner (0 and 0 = the runner). */
struct waltarget {
    const char *oldest; /* name of the first segment that is wanted */
    int fd;
    uid_t uid;
    gid_t gid;
};

/* Unpacks every segment from the oldest wanted one on, the last and unfinished one too, and every history. */
bool walstore_unpack(const struct walstore *store, const struct waltarget *target,
                     const struct key_search *search, struct work *work, struct fault *fault);

/* Removes the segments before `oldest`, whatever their timeline. Sets how many there are; with `dry` none is
 * removed. */
bool walstore_prune(const struct walstore *store, const char *oldest, bool dry, int *removed,
                    struct fault *fault);
