/* SPDX-License-Identifier: PostgreSQL
 * durable - the only way into a repository: written, fsynced, renamed into place, directory fsynced. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct fault;

/* Makes a new directory, readable by its owner only; an existing one is an error. */
bool durable_directory(int parent_fd, const char *name, struct fault *fault);

/* Puts a whole small file in place, new or over an older one: after a crash either the old or the new is
 * there. */
bool durable_write(int dir_fd, const char *name, const void *data, size_t size, struct fault *fault);

/* Copies one regular file into a new one of mode 0600 and fsyncs it; paths are relative to the two
 * directories. */
bool durable_copy(int from_fd, const char *from, int to_fd, const char *to, struct fault *fault);

/* Fsyncs every file and directory below dir_fd and dir_fd itself. */
bool durable_sync_tree(int dir_fd, struct fault *fault);

/* The commit: syncs the tree PARTIAL, renames it to FINAL (which must not exist), fsyncs the parent.
 * From the moment of the rename the backup exists, whole. */
bool durable_publish(int parent_fd, const char *partial, const char *final, struct fault *fault);
