/* SPDX-License-Identifier: PostgreSQL
 * notes - RESTORE.md: how to restore this very backup by hand, with nothing but PostgreSQL's own programs.
 */
#include "backup/notes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static const char *suffix_of(const struct manifest *manifest)
{
    const char *kind = manifest->compression == NULL ? "" : manifest->compression;
    bool sealed = manifest->encryption != NULL;

    if (strncmp(kind, "zstd", 4) == 0)
        return sealed ? ".zst.enc" : ".zst";
    if (strncmp(kind, "gzip", 4) == 0)
        return sealed ? ".gz.enc" : ".gz";
    return sealed ? ".enc" : "";
}

/* What writes the file's plain contents into a pipe. `name` is given without the suffix of the pipeline. */
static void reader_write(FILE *to, const struct manifest *manifest, const char *name)
{
    const char *kind = manifest->compression == NULL ? "" : manifest->compression;
    bool sealed = manifest->encryption != NULL;
    const char *program = strncmp(kind, "zstd", 4) == 0   ? "zstd -dc"
                          : strncmp(kind, "gzip", 4) == 0 ? "gzip -dc"
                                                          : "cat";

    if (sealed)
        fputs("pgsluice-backup decrypt --key-file KEY ", to);
    else
        fprintf(to, "%s ", program);
    quoted_write(to, name);
    fputs(suffix_of(manifest), to);
    if (sealed && kind[0] != '\0')
        fprintf(to, " | %s", program);
    fputs(" | ", to);
}

/* The path of an archive without what the pipeline put behind it. */
static char *path_bare(const struct manifest *manifest, const char *path)
{
    size_t length = strlen(path), suffix = strlen(suffix_of(manifest));
    char *bare = strdup(path);

    CHECK(bare != NULL);
    if (length > suffix)
        bare[length - suffix] = '\0';
    return bare;
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
    fputs("On a new, empty server. One error is expected: the first superuser exists already.\n\n    ", to);
    reader_write(to, manifest, "roles.sql");
    fputs("psql -X -d postgres\n    ", to);
    reader_write(to, manifest, "tablespaces.sql");
    fputs("psql -X -d postgres    # only if this file is not empty; make the directories first\n\n", to);
    fputs("Settings of the server, of roles and databases, and its pg_hba rules are in settings.json", to);
    fprintf(to, "%s, for reading.\n\n", suffix_of(manifest));
    if (!manifest->role_passwords)
        fputs("Passwords of the roles are not in it, because the backup's role could not read them. Set "
              "them anew.\n\n",
              to);
}

/* Only a file as pg_dump wrote it can be restored in parallel. */
static void database_write(FILE *to, const struct manifest *manifest, const struct database_entry *database)
{
    char size[TEXT_SHORT], *bare = path_bare(manifest, database->path);
    bool plain = suffix_of(manifest)[0] == '\0';

    fprintf(to, "%s, %s on the server, %zu tables, %lld rows:\n\n    ", database->encoding,
            text_size(size, (uint64_t)database->size_bytes), database->fingerprint.table_count,
            (long long)fingerprint_rows(&database->fingerprint));
    if (!plain)
        reader_write(to, manifest, bare);
    fprintf(to, "pg_restore --create --exit-on-error %s--dbname=postgres ", plain ? "--jobs=4 " : "");
    if (plain)
        quoted_write(to, bare);
    fputs("    # makes the database ", to);
    quoted_write(to, database->name);
    fputs("\n\n", to);
    free(bare);
}

static void cluster_write(FILE *to, const struct manifest *manifest)
{
    long long major = manifest->server_version_number / 10000;

    fprintf(to,
            "A backup of the whole cluster: PostgreSQL %s, job \"%s\", made by pg_basebackup %s.\n"
            "It can be started only by PostgreSQL %lld, on the same kind of machine. Let pgsluice-backup do "
            "it:\n\n"
            "    pgsluice-backup restore %s --directory /var/lib/postgresql/%lld/restored\n\n"
            "or, with this directory as the current one, as the user postgres:\n\n"
            "    mkdir -m 700 /var/lib/postgresql/%lld/restored\n    ",
            manifest->server_version, manifest->job, manifest->tool_version, major, manifest->label, major,
            major);
    reader_write(to, manifest, "base.tar");
    fprintf(to,
            "tar -x -C /var/lib/postgresql/%lld/restored\n"
            "    pg_verifybackup /var/lib/postgresql/%lld/restored\n"
            "    pg_ctl -D /var/lib/postgresql/%lld/restored start\n\n"
            "Look at postgresql.conf and postgresql.auto.conf first: they are those of the original, and "
            "Debian keeps\npostgresql.conf and pg_hba.conf in /etc, so they are not in the backup.\n",
            major, major, major);
}

static void key_write(FILE *to, const struct manifest *manifest)
{
    if (manifest->encryption != NULL)
        fprintf(to,
                "The files are encrypted (%s); KEY is a file with the master key %s as a line of 64\n"
                "hexadecimal digits.\n\n",
                manifest->encryption, manifest->key_id == NULL ? "?" : manifest->key_id);
}

static void databases_write(FILE *to, const struct manifest *manifest)
{
    char when[TEXT_SHORT];

    fprintf(to,
            "A backup of PostgreSQL %s, job \"%s\", begun %s, made by pg_dump %s.\n"
            "Use pg_restore and psql of version %lld or newer, with PGHOST, PGPORT and PGUSER set to the "
            "new server\n"
            "and this directory as the current one. Or let pgsluice-backup do it:\n\n"
            "    pgsluice-backup verify %s --level content\n"
            "    pgsluice-backup restore %s --database NAME --to \"host=... dbname=postgres\" --create\n\n",
            manifest->server_version, manifest->job, text_time(when, manifest->started),
            manifest->tool_version, (long long)manifest->tool_major, manifest->label, manifest->label);
    globals_write(to, manifest);
    fputs("## 2. Databases\n\nIf the database exists already, drop it first, or leave out --create and name "
          "it in "
          "--dbname.\n\n",
          to);
    for (size_t i = 0; i < manifest->database_count; i++)
        database_write(to, manifest, &manifest->databases[i]);
    fputs("## 3. Afterwards\n\n    vacuumdb --all --analyze-only --jobs=2\n", to);
}

char *notes_text(const struct manifest *manifest)
{
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);

    CHECK(to != NULL);
    fprintf(to, "# Restoring %s\n\n", manifest->label);
    key_write(to, manifest);
    if (manifest_is_physical(manifest))
        cluster_write(to, manifest);
    else
        databases_write(to, manifest);
    CHECK(fclose(to) == 0);
    return text;
}
