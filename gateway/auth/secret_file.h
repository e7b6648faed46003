/* SPDX-License-Identifier: PostgreSQL
 * secret_file - reads a file of secrets whole, into memory that is wiped afterwards. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct fault;

enum { SECRET_FILE_MAX_BYTES = 16 << 20 };

struct secret_file {
    const char *what; /* set by the caller: what sentences call it, "users file" */
    char *text;       /* not terminated */
    size_t size;
};

/* Reads the regular file at path; blocks on the disk. False: 58P01 when it cannot be read, 54000 too large,
 * 53200; nothing needs to be wiped then. warning becomes a sentence for the log when others than owner and
 * group may read the file, or anybody but the owner may write it, else "". */
bool secret_file_read(struct secret_file *file, const char *path, char *warning, size_t warning_room,
                      struct fault *fault);
void secret_file_wipe(struct secret_file *file);
