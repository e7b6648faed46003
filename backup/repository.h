/* SPDX-License-Identifier: PostgreSQL
 * repository - a local directory of backups: REPOSITORY/JOB/LABEL/, made as LABEL.partial and renamed when
 * whole. */
#pragma once

#include <limits.h>
#include <stdbool.h>

struct arena;
struct fault;
struct repository_options;
struct runner_options;

/* One job's directory in one repository. Descriptors are -1 when closed. */
struct repository {
    const struct repository_options *options;
    char path[PATH_MAX]; /* of the job's directory, absolute */
    int job_fd, lock_fd;
};

/* Opens the job's directory; makes it, and the repository itself, with mode 0700 when `create`. */
bool repository_open(struct repository *repository, const struct repository_options *options,
                     const char *job, bool create, struct fault *fault);
void repository_close(struct repository *repository); /* gives the lock back too */

/* Takes the job's lock, which the kernel gives back when the runner dies. FAILURE_LOCKED names the holder.
 */
bool repository_lock(struct repository *repository, struct fault *fault);
bool repository_is_locked(int job_fd);

/* Removes what runs that died left half-made; only with the lock held. Sets how many. */
bool repository_sweep(struct repository *repository, int *removed, struct fault *fault);

/* One directory entry that looks like a backup, whole or half-made. */
struct backup_place {
    const struct repository_options *repository;
    const char *job, *label; /* label without ".partial" */
    bool partial;
    int job_fd, dir_fd; /* open during the call only */
};

/* Calls visit for each one of a repository, oldest first within a job. Stops at the first false. */
bool repository_visit(const struct repository_options *options,
                      bool (*visit)(void *context, const struct backup_place *place, struct fault *fault),
                      void *context, struct fault *fault);

/* Finds a published backup by its label: in the repository of that name, or in the first that has it when
 * NULL. The caller closes job_fd and dir_fd; job and label live in the arena. */
bool repository_find(const struct runner_options *options, const char *repository, const char *label,
                     struct backup_place *place, struct arena *arena, struct fault *fault);

/* Absolute path of the place's directory, in the arena. */
const char *place_path(const struct backup_place *place, struct arena *arena);
