/* SPDX-License-Identifier: PostgreSQL
 * tree - walks a directory of the repository without ever following a symbolic link. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

struct fault;

struct tree_entry {
    int dir_fd;       /* the directory that holds it */
    const char *name; /* in that directory */
    const char *path; /* relative to the root of the walk */
    struct stat stat; /* of the entry itself */
};

/* Calls visit for everything below root_fd, a directory after its contents. Stops at the first false. */
bool tree_walk(int root_fd,
               bool (*visit)(void *context, const struct tree_entry *entry, struct fault *fault),
               void *context, struct fault *fault);

/* Opens a directory below `at` (AT_FDCWD for an absolute path) without following a link at its last
 * component. Returns the descriptor, -1 with the fault set on failure. */
int tree_open(int at, const char *path, struct fault *fault);

/* Bytes of all regular files below root_fd; what vanishes meanwhile is not counted. */
uint64_t tree_bytes(int root_fd);

/* Removes NAME in parent_fd with everything below it; no error when it is not there. */
bool tree_remove(int parent_fd, const char *name, struct fault *fault);
