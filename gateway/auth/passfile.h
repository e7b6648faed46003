/* SPDX-License-Identifier: PostgreSQL
 * passfile - passwords in the format of libpq's .pgpass, one `HOST:PORT:DATABASE:USER:PASSWORD` a line.
 * `*` stands for anything in the first four fields, `\:` and `\\` for themselves; lines that begin with #
 * are comments; the first line that fits decides. Source: PostgreSQL manual, "The Password File". libpq
 * passes over lines that cannot work, here they are errors. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct fault;
struct passfile;

/* Reads and checks the whole file. NULL with a fault that names file and line when anything is wrong: F0000
 * for the content, else as secret_file_read, which also writes warning. Blocks on the disk. It never
 * changes and any thread may use it; the caller frees it with passfile_free. */
struct passfile *passfile_load(const char *path, char *warning, size_t warning_room, struct fault *fault);

/* The same from memory; `where` names it in faults. */
struct passfile *passfile_parse(const char *text, size_t length, const char *where, struct fault *fault);

/* Wipes and frees everything. NULL is nothing to do. */
void passfile_free(struct passfile *file);

/* The password for this login to PostgreSQL, owned by the file; NULL when no line fits, or the one that
 * does has an empty password. host is compared as text; a Unix socket's directory fits the line that names
 * it, and `localhost` if it is one where PostgreSQL puts its socket by default, as "" and NULL do. */
const char *passfile_find(const struct passfile *file, const char *host, int port, const char *database,
                          const char *user);
