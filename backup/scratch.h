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

/* Makes and starts a server of at least that major version with that superuser. On failure nothing is left.
 */
bool scratch_start(struct scratch *scratch, const struct runner_options *options, int major,
                   const char *superuser, const struct pulse *pulse, struct fault *fault);

/* Ends the server at once and removes everything. */
void scratch_stop(struct scratch *scratch);
