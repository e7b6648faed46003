/* SPDX-License-Identifier: PostgreSQL
 * notes - RESTORE.md: how to restore this very backup by hand, with nothing but PostgreSQL's own programs.
 */
#include "backup/notes.h"

#include <stdio.h>
#include <stdlib.h>

#include "backup/manifest.h"
#include "backup/text.h"
#include "gateway/base/check.h"

/* Quoted for a POSIX shell. */
static void quoted_write(FILE *to, const char *text)
{
    fputc('\'', to);
    for (; *text != '\0'; text++)
        if (*text == '\'')
            fputs("'\\''", to);
        else if ((unsigned char)*text < ' ')
            fputc('?', to); /* a line break would end the code block */
        else
            fputc(*text, to);
    fputc('\'', to);
}

static void globals_write(FILE *to, const struct manifest *manifest)
{
    fputs("## 1. Roles and tablespaces\n\n", to);
    if (!manifest->globals) {
        fputs("They were not saved (globals = false). Make the roles by hand, or restore with --no-owner "
              "--no-acl.\n\n",
              to);
        return;
    }
    fputs("On a new, empty server. One error is expected: the first superuser exists already.\n\n"
          "    psql -X -d postgres -f roles.sql\n"
          "    psql -X -d postgres -f tablespaces.sql    # only if this file is not empty; make the "
          "directories first\n\n",
          to);
    if (!manifest->role_passwords)
        fputs("Passwords of the roles are not in it, because the backup's role could not read them. Set "
              "them anew.\n\n",
              to);
}

static void database_write(FILE *to, const struct database_entry *database)
{
    char size[TEXT_SHORT];

    fprintf(
        to,
        "%s, %s on the server, %zu tables, %lld rows:\n\n    pg_restore --create --exit-on-error --jobs=4 "
        "--dbname=postgres ",
        database->encoding, text_size(size, (uint64_t)database->size_bytes),
        database->fingerprint.table_count, (long long)fingerprint_rows(&database->fingerprint));
    quoted_write(to, database->path);
    fputs("    # makes the database ", to);
    quoted_write(to, database->name);
    fputs("\n\n", to);
}

char *notes_text(const struct manifest *manifest)
{
    char *text = NULL, when[TEXT_SHORT];
    size_t size;
    FILE *to = open_memstream(&text, &size);

    CHECK(to != NULL);
    fprintf(to,
            "# Restoring %s\n\nA backup of PostgreSQL %s, job \"%s\", begun %s, made by pg_dump %s.\n"
            "Use pg_restore and psql of version %lld or newer, with PGHOST, PGPORT and PGUSER set to the "
            "new server\n"
            "and this directory as the current one. Or let pgsluice-backup do it:\n\n"
            "    pgsluice-backup verify %s --level content\n"
            "    pgsluice-backup restore %s --database NAME --to \"host=... dbname=postgres\" --create\n\n",
            manifest->label, manifest->server_version, manifest->job, text_time(when, manifest->started),
            manifest->tool_version, (long long)manifest->tool_major, manifest->label, manifest->label);
    globals_write(to, manifest);
    fputs("## 2. Databases\n\nIf the database exists already, drop it first, or leave out --create and name "
          "it in "
          "--dbname.\n\n",
          to);
    for (size_t i = 0; i < manifest->database_count; i++)
        database_write(to, &manifest->databases[i]);
    fputs("## 3. Afterwards\n\n    vacuumdb --all --analyze-only --jobs=2\n", to);
    CHECK(fclose(to) == 0);
    return text;
}
