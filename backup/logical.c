/* SPDX-License-Identifier: PostgreSQL
 * logical - one pg_dump of one database, and its fingerprint taken in the same exported snapshot at the same
 * time. */
#include "backup/logical.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>

#include "backup/manifest.h"
#include "backup/meter.h"
#include "backup/options.h"
#include "backup/pipeline.h"
#include "backup/service.h"
#include "backup/tools.h"
#include "backup/work.h"
#include "gateway/base/arena.h"
#include "gateway/base/clock.h"

bool logical_glob_matches(const char *const *globs, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (fnmatch(globs[i], name, FNM_NOESCAPE) == 0)
            return true;
    return false;
}

const char **logical_databases(struct session *session, const struct job_options *job, size_t *count,
                               struct arena *arena, struct fault *fault)
{
    PGresult *rows = session_rows(
        session, "SELECT datname FROM pg_database WHERE datallowconn ORDER BY datname", 1, fault);
    const char **names;

    *count = 0;
    if (rows == NULL)
        return NULL;
    names = arena_alloc(arena, ((size_t)PQntuples(rows) + 1) * sizeof *names);
    for (int i = 0; i < PQntuples(rows); i++) {
        const char *name = PQgetvalue(rows, i, 0);

        if (logical_glob_matches(job->databases.items, job->databases.count, name) &&
            !logical_glob_matches(job->exclude.items, job->exclude.count, name))
            names[(*count)++] = arena_string(arena, name);
    }
    PQclear(rows);
    if (*count > 0)
        return names;
    failure_set(fault, FAILURE_CONFIG,
                "The job \"%s\" chooses no database: databases and exclude leave none of those "
                "that the server has.",
                job->name);
    return NULL;
}

/* Opens the transaction whose snapshot everything of this dump sees, and notes what identifies it. The
 * exported snapshot's name is returned for pg_dump, in the arena. */
static const char *snapshot_begin(struct session *session, struct database_entry *entry, struct arena *arena,
                                  struct fault *fault)
{
    static const char facts[] =
        "SELECT pg_export_snapshot(), pg_current_snapshot(),"
        " CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END,"
        " pg_encoding_to_char(encoding), pg_get_userbyid(datdba), pg_database_size(oid),"
        " (SELECT string_agg(extname || ' ' || extversion, ', ' ORDER BY extname) FROM pg_extension)"
        " FROM pg_database WHERE datname = current_database()";
    const char *exported = NULL;
    PGresult *row;

    if (!session_command(session, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", fault))
        return NULL;
    row = session_rows(session, facts, 7, fault);
    if (row != NULL) {
        exported = arena_string(arena, PQgetvalue(row, 0, 0));
        entry->snapshot = arena_string(arena, PQgetvalue(row, 0, 1));
        entry->lsn = arena_string(arena, PQgetvalue(row, 0, 2));
        entry->encoding = arena_string(arena, PQgetvalue(row, 0, 3));
        entry->owner = arena_string(arena, PQgetvalue(row, 0, 4));
        entry->extensions = arena_string(arena, PQgetvalue(row, 0, 6));
        entry->size_bytes = strtoll(PQgetvalue(row, 0, 5), NULL, 10);
    }
    PQclear(row);
    return exported;
}

/* One database while it is dumped. */
struct dumping {
    struct session *session;
    struct stored *stored;
    const char *snapshot;
    const char **left_out; /* schemas */
    size_t left_out_count;
};

enum { DUMP_ARGUMENTS = 16 };

/* The schemas that the job does not want, told to the session's fingerprint too. */
static bool schemas_choose(const struct logical *logical, struct dumping *dumping,
                           struct database_entry *entry, struct arena *arena, struct fault *fault)
{
    const struct job_options *job = logical->job;
    PGresult *rows = session_rows(dumping->session,
                                  "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_'"
                                  " AND nspname <> 'information_schema' ORDER BY 1",
                                  1, fault);

    if (rows == NULL)
        return false;
    dumping->left_out = arena_alloc(arena, ((size_t)PQntuples(rows) + 1) * sizeof *dumping->left_out);
    for (int i = 0; i < PQntuples(rows); i++) {
        const char *name = arena_string(arena, PQgetvalue(rows, i, 0));

        if (logical_glob_matches(job->schemas.items, job->schemas.count, name) &&
            !logical_glob_matches(job->exclude_schemas.items, job->exclude_schemas.count, name))
            continue;
        dumping->left_out[dumping->left_out_count++] = name;
        entry->left_out =
            entry->left_out == NULL ? name : arena_format(arena, "%s, %s", entry->left_out, name);
    }
    PQclear(rows);
    return fingerprint_leave_out(dumping->session, dumping->left_out, dumping->left_out_count, arena, fault);
}

/* A directory is compressed by pg_dump. Level 1: measured against its default of 6 it takes 60 % of the time
 * for 9 % more bytes, and time is what a long snapshot costs the application. */
static int dump_level(const struct job_options *job)
{
    enum compression compression;
    int level;

    if (job->format != FORMAT_DIRECTORY)
        return 0;
    return job->compress != NULL && compression_parse(job->compress, &compression, &level) ? level : 1;
}

static bool dump_start(const struct logical *logical, const struct database_entry *entry,
                       const struct dumping *dumping, struct arena *arena, struct fault *fault)
{
    const struct job_options *job = logical->job;
    bool directory = job->format == FORMAT_DIRECTORY;
    size_t used = 0;
    const char **argv = arena_alloc(arena, (dumping->left_out_count + DUMP_ARGUMENTS) * sizeof *argv);
    const char *fixed[] = {
        logical->dump->path,
        "--no-password",
        arena_format(arena, "--compress=%d", dump_level(job)),
        arena_format(arena, "--format=%s", format_name(job->format)),
        arena_format(arena, "--lock-wait-timeout=%" PRIu64, job->lock_wait_timeout / 1000),
        arena_format(arena, "--snapshot=%s", dumping->snapshot),
        arena_format(arena, "--dbname=%s", session_conninfo(entry->name, arena)),
        directory ? arena_format(arena, "--file=%s/%s", logical->directory, entry->path) : NULL,
        directory ? arena_format(arena, "--jobs=%d", job->jobs) : NULL,
    };
    struct command command = { .path = logical->dump->path,
                               .argv = argv,
                               .env = logical->service->env,
                               .keep_fd = logical->service->fd };

    for (; used < sizeof fixed / sizeof fixed[0] && fixed[used] != NULL; used++)
        argv[used] = fixed[used];
    for (size_t i = 0; i < dumping->left_out_count; i++)
        argv[used++] = arena_format(arena, "--exclude-schema=%s",
                                    session_identifier(dumping->session, dumping->left_out[i], arena));
    if (directory)
        return work_start(logical->work, &command, FAILURE_DUMP, fault);
    return pipeline_store(logical->pipeline, logical->work, &command, FAILURE_DUMP, dumping->stored, fault);
}

/* Tables without their indexes come nearest to the bytes that COPY will send. */
static bool meter_start(const struct logical *logical, struct session *session, struct meter *meter,
                        const struct database_entry *entry, struct fault *fault)
{
    static const char sql[] = "SELECT coalesce(sum(pg_table_size(oid)), 0) FROM pg_class"
                              " WHERE relkind = 'r' AND relpersistence <> 't' AND relnamespace <> 11";
    PGresult *row = session_rows(session, sql, 1, fault);

    if (row == NULL)
        return false;
    progress_phase(&logical->work->progress, strtoull(PQgetvalue(row, 0, 0), NULL, 10), "dumping %s",
                   entry->name);
    PQclear(row);
    meter_begin(meter, logical->control, logical->target.application);
    logical->work->measure = meter_read;
    logical->work->measure_context = meter;
    return true;
}

static bool dump_in_snapshot(const struct logical *logical, struct session *session,
                             struct database_entry *entry, struct stored *stored, struct arena *arena,
                             struct fault *fault)
{
    struct fingerprint *print = &entry->fingerprint;
    struct dumping dumping = { .session = session, .stored = stored };
    struct meter meter;
    bool ok;

    if (!fingerprint_prepare(session, logical->job->lock_wait_timeout, fault) ||
        !schemas_choose(logical, &dumping, entry, arena, fault))
        return false;
    dumping.snapshot = snapshot_begin(session, entry, arena, fault);
    if (dumping.snapshot == NULL)
        return false;
    ok = fingerprint_list(session, print, arena, fault) && fingerprint_lock(session, print, fault) &&
         meter_start(logical, session, &meter, entry, fault) &&
         dump_start(logical, entry, &dumping, arena, fault) &&
         fingerprint_count(session, print, arena, fault) && work_finish(logical->work, fault);
    logical->work->measure = NULL; /* the meter ends here */
    return ok && fingerprint_sequences_again(session, print, fault) &&
           session_command(session, "COMMIT", fault);
}

bool logical_dump(const struct logical *logical, struct database_entry *entry, struct digest *digest,
                  struct arena *arena, struct fault *fault)
{
    struct stored stored = { .dir_fd = logical->directory_fd, .path = entry->path };
    struct session_target target = logical->target;
    uint64_t started_us = clock_now_us();
    struct session session;
    bool ok;

    target.database = entry->name;
    if (!session_open(&session, &target, fault))
        return false;
    ok = dump_in_snapshot(logical, &session, entry, &stored, arena, fault);
    if (!ok)
        work_abandon(logical->work);
    *digest = stored.digest;
    session_close(&session);
    entry->dump_us = (int64_t)(clock_now_us() - started_us);
    return ok;
}

bool logical_globals(const struct logical *logical, const struct tool *dumpall, const char *const what[2],
                     struct stored *stored, struct fault *fault)
{
    struct arena *arena = arena_new();
    const char *argv[] = {
        dumpall->path,
        "--no-password",
        arena_format(arena, "--database=%s", session_conninfo(logical->target.database, arena)),
        what[0],
        what[1],
        NULL
    };
    struct command command = {
        .path = dumpall->path, .argv = argv, .env = logical->service->env, .keep_fd = logical->service->fd
    };
    bool ok = pipeline_store(logical->pipeline, logical->work, &command, FAILURE_DUMP, stored, fault) &&
              work_finish(logical->work, fault);

    arena_free(arena);
    return ok;
}
