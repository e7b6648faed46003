/* SPDX-License-Identifier: PostgreSQL
 * scratch - a PostgreSQL server of the runner's own: made in a temporary directory, reached by a Unix socket
 * that only its owner may use, gone when the verification ends, however it ends. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "backup/child.h"
#include "backup/tools.h"

struct arena;
struct fault;
struct pulse;
struct runner_options;

enum { SCRATCH_PATH = 96 }; /* so that the socket's path still fits sockaddr_un */

struct scratch {
    char directory[SCRATCH_PATH];
    int parent_fd, directory_fd; /* the lock on the directory tells later runs that it is in use */
    uid_t uid;                   /* whom the server runs as; 0 with gid 0 = as the runner */
    gid_t gid;
    struct tool initdb, postgres;
    struct child server;
    struct arena *arena;
    const char *conninfo; /* without a database */
    const char *env[5];   /* for PostgreSQL's programs, NULL-terminated */
};

/* Makes and starts an empty server of at least that major version with that superuser. On failure nothing is
 * left. */
bool scratch_start(struct scratch *scratch, const struct runner_options *options, int major,
                   const char *superuser, const struct pulse *pulse, struct fault *fault);

/* The same in two steps, for a data directory that comes from elsewhere: the directory of the server, in
 * which `data` is made by the caller and belongs to uid and gid... */
bool scratch_make(struct scratch *scratch, const struct runner_options *options, int major,
                  const char *superuser, struct fault *fault);

/* ...and its start, which waits for the recovery to end. Its own configuration counts, none of what lies in
 * `data`. On failure the caller calls scratch_stop. */
bool scratch_boot(struct scratch *scratch, const struct pulse *pulse, struct fault *fault);

/* Whom PostgreSQL's server programs run as: run_as when the runner is root, 0 and 0 = the runner itself. */
bool scratch_identity(const struct runner_options *options, uid_t *uid, gid_t *gid, struct fault *fault);

/* Ends the server at once and removes everything. */
void scratch_stop(struct scratch *scratch);
