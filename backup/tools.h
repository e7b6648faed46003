/* SPDX-License-Identifier: PostgreSQL
 * tools - finds PostgreSQL's own programs in a version that fits the server. */
#pragma once

#include <stdbool.h>

struct arena;
struct fault;

struct tool {
    const char *path;    /* absolute */
    const char *version; /* what it calls itself, such as "15.18" */
    int major;
};

/* The lowest version of the program that is at least `major`: of bin_directory only when that is given,
 * else of /usr/lib/postgresql, /usr/pgsql-* and PATH. The fault (FAILURE_VERSION) names what was found. */
bool tools_find(const char *bin_directory, const char *program, int major, struct arena *arena,
                struct tool *tool, struct fault *fault);

/* The major version of a server from PQserverVersion's number. */
int tools_major(int version_number);
