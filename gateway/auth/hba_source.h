/* SPDX-License-Identifier: PostgreSQL
 * hba_source - reads the files that pg_hba.conf and pg_ident.conf consist of. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct arena;

enum { HBA_FILE_MAX_BYTES = 1 << 20, HBA_DIRECTORY_MAX_FILES = 1000 };

/* The content of one file, which may hold secrets. */
struct hba_source {
    char *text; /* not NUL-terminated */
    size_t length;
};

enum hba_source_result { HBA_SOURCE_READ, HBA_SOURCE_ABSENT, HBA_SOURCE_BAD };

/* Blocks on the disk. Only HBA_SOURCE_READ leaves something for hba_source_free; else why says what is wrong,
 * as the end of a sentence. HBA_SOURCE_ABSENT: there is no such file. */
enum hba_source_result hba_source_read(const char *path, struct hba_source *source, char *why, size_t room);
void hba_source_free(struct hba_source *source); /* wipes it */

/* `name` as seen from the file `from`: an absolute path stays, another is one beside that file. */
char *hba_source_beside(struct arena *arena, const char *from, const char *name);

/* The paths of the *.conf files of a directory, except those that begin with a dot, sorted by their bytes, as
 * PostgreSQL's include_dir takes them. Everything is in the arena. False: why says what is wrong. */
bool hba_source_list(struct arena *arena, const char *directory, char ***paths, size_t *count, char *why,
                     size_t room);
