/* SPDX-License-Identifier: PostgreSQL
 * physical - a copy of the whole cluster by pg_basebackup, as one tar stream with its WAL and
 * backup_manifest inside. */
#include "backup/physical.h"

#include <stdlib.h>
#include <string.h>

#include "backup/failure.h"
#include "backup/logical.h"
#include "backup/manifest.h"
#include "backup/options.h"
#include "backup/pipeline.h"
#include "backup/service.h"
#include "backup/session.h"
#include "backup/tools.h"
#include "backup/work.h"
#include "gateway/base/arena.h"

const char physical_base[] = "base.tar";

static const char warning_slot[] =
    "There was no free replication slot, so the WAL of the backup was kept only by wal_keep_size.";

/* pg_basebackup can write one tablespace to its standard output; it would say so after the checkpoint. */
static bool tablespaces_check(struct session *session, struct arena *arena, struct fault *fault)
{
    const char *count = session_value(
        session, "SELECT count(*) FROM pg_tablespace WHERE spcname NOT IN ('pg_default', 'pg_global')", arena,
        fault);

    if (count == NULL || strcmp(count, "0") == 0)
        return count != NULL;
    failure_set(fault, FAILURE_BASE,
                "The cluster has %s tablespaces of its own, and a physical backup is one stream of one "
                "tablespace.",
                count);
    return fault_hint(fault, "Use kind = \"logical\", which saves what lies in tablespaces too.");
}

/* The checkpoint that the backup begins with comes after this. A standby cannot tell. */
static bool wal_note(const struct logical *logical, struct manifest *manifest, struct arena *arena,
                     struct fault *fault)
{
    const char *name = session_value(logical->control,
                                     "SELECT CASE WHEN pg_is_in_recovery() THEN '' ELSE "
                                     "pg_walfile_name(pg_current_wal_lsn()) END",
                                     arena, fault);

    if (name != NULL && name[0] != '\0')
        manifest->wal_start = name;
    return name != NULL;
}

/* Without it a checkpoint may remove WAL that the end of the stream needs; pg_basebackup then fails. */
static void slot_make(const struct logical *logical, const char *name, struct manifest *manifest,
                      struct arena *arena)
{
    const char *sql = arena_format(arena, "SELECT pg_create_physical_replication_slot(%s, true, true)",
                                   session_literal(logical->control, name, arena));
    struct fault fault;

    if (session_value(logical->control, sql, arena, &fault) == NULL)
        manifest_warn(manifest, arena, arena_format(arena, "%s (%s)", warning_slot, fault.message));
}

static void slot_drop(const struct logical *logical, const char *name, struct arena *arena)
{
    const char *sql = arena_format(arena,
                                   "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots "
                                   "WHERE slot_name = %s",
                                   session_literal(logical->control, name, arena));
    struct fault ignored;

    session_value(logical->control, sql, arena, &ignored);
}

static bool base_stream(const struct logical *logical, const struct manifest *manifest, struct stored *stored,
                        struct arena *arena, struct fault *fault)
{
    const char *argv[] = { logical->dump->path,
                           "--pgdata=-",
                           "--format=tar",
                           "--wal-method=fetch",
                           "--no-password",
                           logical->job->fast_checkpoint ? "--checkpoint=fast" : "--checkpoint=spread",
                           arena_format(arena, "--label=%s", manifest->label),
                           NULL };
    struct command command = { .path = logical->dump->path,
                               .argv = argv,
                               .env = logical->service->env,
                               .keep_fd = logical->service->fd };
    bool ok;

    progress_phase(&logical->work->progress, 0, "copying the cluster");
    work_measure_tree(logical->work, logical->directory_fd);
    ok = pipeline_store(logical->pipeline, logical->work, &command, FAILURE_BASE, stored, fault) &&
         work_finish(logical->work, fault);
    work_measure_tree(logical->work, -1);
    if (!ok)
        work_abandon(logical->work);
    return ok;
}

bool physical_dump(const struct logical *logical, struct manifest *manifest, struct arena *arena,
                   struct fault *fault)
{
    struct stored stored = { .dir_fd = logical->directory_fd,
                             .path = arena_format(arena, "%s%s", physical_base,
                                                  pipeline_suffix(logical->pipeline)) };
    const char *slot = arena_format(arena, "pgsluice_base_%s", manifest->run_id);
    bool ok;

    if (!tablespaces_check(logical->control, arena, fault) || !wal_note(logical, manifest, arena, fault))
        return false;
    slot_make(logical, slot, manifest, arena);
    ok = base_stream(logical, manifest, &stored, arena, fault);
    slot_drop(logical, slot, arena);
    if (!ok)
        return false;
    manifest_add_file(manifest, arena, stored.path, &stored.digest);
    progress_done(&logical->work->progress, stored.digest.bytes);
    return true;
}
