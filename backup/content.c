/* SPDX-License-Identifier: PostgreSQL
 * content - restores a whole backup into a scratch server and compares every table with its fingerprint. */
#include "backup/content.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "backup/manifest.h"
#include "backup/failure.h"
#include "backup/pipeline.h"
#include "backup/scratch.h"
#include "backup/session.h"
#include "backup/tools.h"
#include "backup/verify.h"
#include "backup/work.h"
#include "gateway/base/arena.h"
#include "gateway/base/check.h"

enum { RESTORE_JOBS_MAX = 4 };

/* Databases of the backup may be called postgres or template1, so the runner works from one of its own. */
static const char home[] = "pgsluice_scratch_home";

struct content {
    const struct subject *subject;
    const struct manifest *manifest;
    struct work *work;
    struct scratch scratch;
    struct tool restore, psql;
    struct session session; /* in home */
    struct arena *arena;
    bool compare;
    struct fault first; /* the first fatal difference */
    size_t fatal_count;
};

static void difference_note(void *context, bool fatal, const char *sentence)
{
    struct content *content = context;

    if (fatal && content->fatal_count++ == 0)
        failure_set(&content->first, FAILURE_CONTENT, "%s", sentence);
    if (content->subject->report != NULL)
        content->subject->report->say(content->subject->report->context, fatal, sentence);
}

/* `file` is the program's standard input, NULL for none. */
static bool program_run(struct content *content, const char *const *argv, const char *file,
                        struct fault *fault)
{
    struct command command = { .path = argv[0], .argv = argv, .env = content->scratch.env, .keep_fd = -1 };
    struct stored stored = { .dir_fd = content->subject->dir_fd, .path = file };

    if (file == NULL ? work_run(content->work, &command, FAILURE_CONTENT, fault)
                     : pipeline_fetch(content->subject->pipeline, content->work, &command, FAILURE_CONTENT,
                                      &stored, fault) &&
                           work_finish(content->work, fault))
        return true;
    work_abandon(content->work);
    /* A missing right or a missing extension here says that the backup does not restore, not who may read
     * it. */
    if (failure_of(fault) != FAILURE_DISK_FULL && failure_of(fault) != FAILURE_STOPPED &&
        failure_of(fault) != FAILURE_VERIFY)
        failure_become(fault, FAILURE_CONTENT);
    return false;
}

static bool home_make(struct content *content, struct fault *fault)
{
    struct session_target target = { .conninfo = content->scratch.conninfo,
                                     .database = "template1",
                                     .pulse = &content->work->pulse };
    struct session first;
    bool ok;

    if (!session_open(&first, &target, fault))
        return false;
    ok = session_command(&first, "CREATE DATABASE pgsluice_scratch_home TEMPLATE template0", fault);
    session_close(&first);
    target.database = home;
    return ok && session_open(&content->session, &target, fault) &&
           session_command(&content->session, "ALTER DATABASE template1 IS_TEMPLATE false", fault);
}

/* The bootstrap superuser exists in every cluster; any other error means that a role did not come back. */
static bool roles_check(const struct content *content, struct fault *fault)
{
    const char *expected =
        arena_format(content->arena, "role \"%s\" already exists", content->manifest->bootstrap_role);

    for (const char *at = strstr(content->work->child.text, "ERROR:"); at != NULL;
         at = strstr(at + 1, "ERROR:")) {
        const char *message = at + strlen("ERROR:") + strspn(at + strlen("ERROR:"), " ");

        if (strncmp(message, expected, strlen(expected)) != 0)
            return failure_set(fault, FAILURE_CONTENT, "Restoring the roles failed: %.*s",
                               (int)strcspn(message, "\n"), message);
    }
    return true;
}

static bool roles_restore(struct content *content, struct fault *fault)
{
    const char *argv[] = { content->psql.path,
                           "--no-psqlrc",
                           "--quiet",
                           "--no-password",
                           arena_format(content->arena, "--dbname=%s", home),
                           "--file=-",
                           NULL };
    const char *file =
        arena_format(content->arena, "roles.sql%s", pipeline_suffix(content->subject->pipeline));

    return !content->manifest->globals ||
           (program_run(content, argv, file, fault) && roles_check(content, fault));
}

static const char *jobs_argument(struct content *content)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    return arena_format(content->arena, "--jobs=%ld",
                        cores < 1                  ? 1
                        : cores > RESTORE_JOBS_MAX ? RESTORE_JOBS_MAX
                                                   : cores);
}

/* Only an archive as pg_dump wrote it can be read in parallel; others come as a stream. */
static bool archive_restore(struct content *content, const struct database_entry *entry, bool create,
                            struct fault *fault)
{
    bool plain = pipeline_is_plain(content->subject->pipeline);
    const char *argv[12] = { content->restore.path,
                             "--exit-on-error",
                             "--no-password",
                             "--no-tablespaces",
                             arena_format(content->arena, "--dbname=%s",
                                          session_conninfo(create ? home : entry->name, content->arena)),
                             create ? "--create" : "--no-acl" };
    size_t used = 6;

    if (!content->manifest->globals) {
        argv[used++] = "--no-owner";
        argv[used++] = "--no-acl";
    }
    if (plain) {
        argv[used++] = jobs_argument(content);
        argv[used++] = arena_format(content->arena, "%s/%s", content->subject->path, entry->path);
    }
    return program_run(content, argv, plain ? NULL : entry->path, fault);
}

/* The growth of the server's databases is the progress. */
static bool archive_restore_measured(struct content *content, const struct database_entry *entry,
                                     struct fault *fault)
{
    int fd = openat(content->scratch.directory_fd, "data/base", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok;

    work_measure_tree(content->work, fd);
    ok = archive_restore(content, entry, true, fault);
    work_measure_tree(content->work, -1);
    if (fd >= 0)
        close(fd);
    return ok;
}

/* A locale or tablespace that this machine does not have says nothing about the data. */
static bool database_restore_plain(struct content *content, const struct database_entry *entry,
                                   struct fault *fault)
{
    const char *sql = arena_format(content->arena,
                                   "CREATE DATABASE %s TEMPLATE template0 ENCODING %s"
                                   " LC_COLLATE 'C' LC_CTYPE 'C'",
                                   session_identifier(&content->session, entry->name, content->arena),
                                   session_literal(&content->session, entry->encoding, content->arena));

    difference_note(content, false,
                    arena_format(content->arena,
                                 "%s: its locale or tablespace does not exist on this "
                                 "machine; restored with locale C.",
                                 entry->name));
    return session_command(&content->session, sql, fault) && archive_restore(content, entry, false, fault);
}

static bool database_restore(struct content *content, const struct database_entry *entry,
                             struct fault *fault)
{
    const char *drop = arena_format(content->arena, "DROP DATABASE IF EXISTS %s",
                                    session_identifier(&content->session, entry->name, content->arena));

    if (!session_command(&content->session, drop, fault)) /* postgres and template1 are there from initdb */
        return false;
    progress_phase(&content->work->progress, (uint64_t)entry->size_bytes,
                   "restoring %s into the scratch server", entry->name);
    if (archive_restore_measured(content, entry, fault))
        return true;
    if (strstr(fault->message, "CREATE DATABASE") == NULL ||
        (strstr(fault->message, "locale") == NULL && strstr(fault->message, "tablespace") == NULL))
        return false;
    return database_restore_plain(content, entry, fault);
}

static bool database_compare(struct content *content, const struct database_entry *entry,
                             struct fault *fault)
{
    struct session_target target = { .conninfo = content->scratch.conninfo,
                                     .database = entry->name,
                                     .pulse = &content->work->pulse };
    struct fingerprint found;
    struct session session;
    bool ok;

    progress_phase(&content->work->progress, 0, "comparing %s with its fingerprint", entry->name);
    if (!session_open(&session, &target, fault))
        return false;
    ok = fingerprint_prepare(&session, 0, fault) &&
         fingerprint_list(&session, &found, content->arena, fault) &&
         fingerprint_count(&session, &found, content->arena, fault);
    session_close(&session);
    if (ok)
        fingerprint_compare(&entry->fingerprint, &found, entry->name, difference_note, content);
    return ok;
}

static bool database_prove(struct content *content, const struct database_entry *entry, struct fault *fault)
{
    const char *drop = arena_format(content->arena, "DROP DATABASE %s WITH (FORCE)",
                                    session_identifier(&content->session, entry->name, content->arena));

    if (!database_restore(content, entry, fault))
        return false;
    progress_done(&content->work->progress, 0);
    if (content->compare && !database_compare(content, entry, fault))
        return false;
    progress_done(&content->work->progress, 0);
    /* It may be a template; and dropping it leaves the room to the next one. */
    return session_command(&content->session,
                           arena_format(content->arena, "ALTER DATABASE %s IS_TEMPLATE false",
                                        session_identifier(&content->session, entry->name, content->arena)),
                           fault) &&
           session_command(&content->session, drop, fault);
}

static bool content_prove(struct content *content, struct fault *fault)
{
    if (!home_make(content, fault) || !roles_restore(content, fault))
        return false;
    progress_done(&content->work->progress, 0);
    for (size_t i = 0; i < content->manifest->database_count; i++)
        if (!database_prove(content, &content->manifest->databases[i], fault))
            return false;
    if (content->fatal_count == 0)
        return true;
    *fault = content->first;
    return fault_hint(fault, "%zu differences in all.", content->fatal_count);
}

static bool server_start(struct content *content, struct fault *fault)
{
    const struct manifest *manifest = content->manifest;
    const struct runner_options *options = content->subject->options;
    int server_major = tools_major((int)manifest->server_version_number);
    int major = server_major > (int)manifest->tool_major ? server_major : (int)manifest->tool_major;

    return tools_find(options->bin_directory, "pg_restore", major, content->arena, &content->restore,
                      fault) &&
           tools_find(options->bin_directory, "psql", major, content->arena, &content->psql, fault) &&
           scratch_start(&content->scratch, options, major, manifest->bootstrap_role, &content->work->pulse,
                         fault);
}

static struct content content_of(const struct subject *subject, bool compare)
{
    struct content content = { .subject = subject,
                               .manifest = subject->manifest,
                               .work = subject->work,
                               .compare = compare,
                               .arena = arena_new() };

    CHECK(content.arena != NULL);
    return content;
}

bool content_verify(const struct subject *subject, bool compare, struct fault *fault)
{
    struct content content = content_of(subject, compare);
    bool ok;

    progress_phase(&subject->work->progress, 0, "starting a scratch server");
    ok = server_start(&content, fault);
    if (ok) {
        ok = content_prove(&content, fault);
        session_close(&content.session);
        scratch_stop(&content.scratch);
    }
    progress_clear(&subject->work->progress);
    arena_free(content.arena);
    return ok;
}

static bool archive_parse(struct content *content, const struct database_entry *entry, struct fault *fault)
{
    bool plain = pipeline_is_plain(content->subject->pipeline);
    const char *argv[] = { content->restore.path, "--file=/dev/null",
                           plain ? arena_format(content->arena, "%s/%s", content->subject->path, entry->path)
                                 : NULL,
                           NULL };

    progress_phase(&content->work->progress, 0, "reading the archive of %s", entry->name);
    if (!program_run(content, argv, plain ? NULL : entry->path, fault))
        return false;
    progress_done(&content->work->progress, (uint64_t)entry->stored_bytes);
    return true;
}

bool content_parse(const struct subject *subject, struct fault *fault)
{
    struct content content = content_of(subject, false);
    const struct manifest *manifest = subject->manifest;
    bool ok = tools_find(subject->options->bin_directory, "pg_restore", (int)manifest->tool_major,
                         content.arena, &content.restore, fault);

    for (size_t i = 0; ok && i < manifest->database_count; i++)
        ok = archive_parse(&content, &manifest->databases[i], fault);
    progress_clear(&subject->work->progress);
    arena_free(content.arena);
    return ok;
}
