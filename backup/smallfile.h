/* SPDX-License-Identifier: PostgreSQL
 * smallfile - reads a whole file of bounded size from a repository. */
#pragma once

#include <stddef.h>

struct fault;

/* The contents with a NUL after them, malloc'ed; NULL with the fault set when it is missing, not a regular
 * file or larger than 256 MB. */
char *smallfile_read(int dir_fd, const char *name, size_t *length, struct fault *fault);
