/* SPDX-License-Identifier: PostgreSQL
 * base - what is done with a physical backup: unpacked somewhere, and proved in a scratch directory. */
#include "backup/base.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/content.h"
#include "backup/failure.h"
#include "backup/manifest.h"
#include "backup/physical.h"
#include "backup/pipeline.h"
#include "backup/scratch.h"
#include "backup/tools.h"
#include "backup/work.h"
#include "gateway/base/arena.h"
#include "gateway/base/check.h"

static const char tar[] = "/bin/tar";

/* A missing right or file in the copy says that the backup is not good, not who may read it. */
static bool verdict(const struct subject *subject, bool ok, struct fault *fault)
{
    if (ok)
        return true;
    work_abandon(subject->work);
    if (failure_of(fault) != FAILURE_DISK_FULL && failure_of(fault) != FAILURE_STOPPED &&
        failure_of(fault) != FAILURE_VERIFY)
        failure_become(fault, FAILURE_CONTENT);
    return false;
}

static bool stream_read(const struct subject *subject, const struct command *command, struct fault *fault)
{
    struct arena *arena = arena_new();
    struct stored stored = { .dir_fd = subject->dir_fd };
    bool ok;

    CHECK(arena != NULL);
    stored.path = arena_format(arena, "%s%s", physical_base, pipeline_suffix(subject->pipeline));
    ok = pipeline_fetch(subject->pipeline, subject->work, command, FAILURE_CONTENT, &stored, fault) &&
         work_finish(subject->work, fault);
    arena_free(arena);
    return verdict(subject, ok, fault);
}

bool base_unpack(const struct subject *subject, const char *directory, uid_t uid, gid_t gid,
                 struct fault *fault)
{
    char into[4200];
    const char *argv[] = { tar, "--extract", "--file=-", "--no-same-owner", into, NULL };
    struct command command = { .path = tar, .argv = argv, .keep_fd = -1, .uid = uid, .gid = gid };

    snprintf(into, sizeof into, "--directory=%s", directory);
    progress_phase(&subject->work->progress, 0, "unpacking the cluster");
    if (!stream_read(subject, &command, fault))
        return false;
    progress_done(&subject->work->progress, (uint64_t)subject->manifest->stored_bytes);
    return true;
}

/* pg_basebackup writes the manifest last. */
static bool stream_list(const struct subject *subject, struct fault *fault)
{
    static const char last[] = "backup_manifest";
    const char *argv[] = { tar, "--list", "--file=-", NULL };
    struct command command = { .path = tar, .argv = argv, .keep_fd = -1 };

    progress_phase(&subject->work->progress, 0, "reading the stream");
    if (!stream_read(subject, &command, fault))
        return false;
    progress_done(&subject->work->progress, (uint64_t)subject->manifest->stored_bytes);
    return strstr(subject->work->child.text, last) != NULL ||
           failure_set(fault, FAILURE_CONTENT, "The stream is a whole tar, but there is no %s in it.", last);
}

bool base_check(const struct subject *subject, const char *directory, struct fault *fault)
{
    struct arena *arena = arena_new();
    const char *argv[] = { NULL, "--quiet", directory, NULL };
    struct command command = { .argv = argv, .keep_fd = -1 };
    struct tool tool;
    bool ok;

    CHECK(arena != NULL);
    progress_phase(&subject->work->progress, 0, "checking every file");
    ok = tools_find(subject->options->bin_directory, "pg_verifybackup", (int)subject->manifest->tool_major,
                    arena, &tool, fault);
    if (ok) {
        command.path = argv[0] = tool.path;
        ok = verdict(subject, work_run(subject->work, &command, FAILURE_CONTENT, fault), fault);
    }
    if (ok)
        progress_done(&subject->work->progress, 0);
    arena_free(arena);
    return ok;
}

static bool relations_check(const struct subject *subject, const struct scratch *scratch,
                            struct fault *fault)
{
    const char *argv[] = { NULL, "--all", "--install-missing", "--no-password", NULL };
    struct command command = { .argv = argv, .env = scratch->env, .keep_fd = -1 };
    struct tool tool;

    progress_phase(&subject->work->progress, 0, "checking every table and index");
    if (!tools_find(subject->options->bin_directory, "pg_amcheck", (int)subject->manifest->tool_major,
                    scratch->arena, &tool, fault))
        return false;
    command.path = argv[0] = tool.path;
    if (work_run(subject->work, &command, FAILURE_CONTENT, fault)) {
        progress_done(&subject->work->progress, 0);
        return true;
    }
    if (strstr(fault->message, "extension \"amcheck\" is not available") != NULL) {
        failure_become(fault, FAILURE_VERSION);
        return fault_hint(fault, "Install the server's contrib modules on this machine.");
    }
    return verdict(subject, false, fault);
}

/* A cluster belongs to one major version, so the programs must be exactly of that. */
static bool major_check(const struct subject *subject, const struct scratch *scratch, struct fault *fault)
{
    int major = tools_major((int)subject->manifest->server_version_number);

    return scratch->postgres.major == major ||
           failure_set(fault, FAILURE_VERSION,
                       "The backup is of PostgreSQL %d and can be started only by that version; found %s.",
                       major, scratch->postgres.version);
}

static bool data_make(struct scratch *scratch, const char *data, struct fault *fault)
{
    if (mkdir(data, 0700) != 0)
        return failure_storage(fault, "make the directory", data);
    return scratch->uid == 0 || chown(data, scratch->uid, scratch->gid) == 0 ||
           failure_storage(fault, "change the owner of", data);
}

static bool cluster_prove(const struct subject *subject, struct scratch *scratch, enum verify_level level,
                          struct fault *fault)
{
    const char *data = arena_format(scratch->arena, "%s/data", scratch->directory);

    if (!major_check(subject, scratch, fault) || !data_make(scratch, data, fault) ||
        !base_unpack(subject, data, scratch->uid, scratch->gid, fault) || !base_check(subject, data, fault))
        return false;
    progress_phase(&subject->work->progress, 0, "recovering the cluster");
    if (!scratch_boot(scratch, &subject->work->pulse, fault))
        return verdict(subject, false, fault);
    progress_done(&subject->work->progress, 0);
    return level != VERIFY_CONTENT || relations_check(subject, scratch, fault);
}

bool base_verify(const struct subject *subject, enum verify_level level, struct fault *fault)
{
    struct scratch scratch;
    bool ok;

    if (level == VERIFY_ARCHIVE)
        return stream_list(subject, fault);
    if (!scratch_make(&scratch, subject->options, tools_major((int)subject->manifest->server_version_number),
                      subject->manifest->bootstrap_role, fault))
        return false;
    ok = cluster_prove(subject, &scratch, level, fault);
    scratch_stop(&scratch);
    progress_clear(&subject->work->progress);
    return ok;
}
