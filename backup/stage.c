/* SPDX-License-Identifier: PostgreSQL
 * stage - makes one whole backup in a LABEL.partial directory, and copies of it in other repositories. */
#include "backup/stage.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "backup/digest.h"
#include "backup/durable.h"
#include "backup/failure.h"
#include "backup/label.h"
#include "backup/logical.h"
#include "backup/manifest.h"
#include "backup/notes.h"
#include "backup/physical.h"
#include "backup/pipeline.h"
#include "backup/repository.h"
#include "backup/settings.h"
#include "backup/tools.h"
#include "backup/tree.h"
#include "backup/verify.h"
#include "backup/work.h"
#include "gateway/base/arena.h"
#include "gateway/base/clock.h"

enum { PARTIAL_BYTES = LABEL_BYTES + 16 };

static const char warning_passwords[] =
    "The role may not read pg_authid, so the passwords of roles were not saved.";
static const char warning_large_objects[] =
    "The role may not read pg_largeobject, so large objects have no checksum.";

/* "databases/003-app_db.dump.zst": the number keeps names apart that differ only in replaced characters. */
static const char *archive_path(const struct stage *stage, const char *database, size_t number)
{
    struct arena *arena = stage->arena;
    bool directory = stage->logical->job->format == FORMAT_DIRECTORY;
    char *safe = arena_string(arena, database);

    for (char *at = safe; *at != '\0'; at++) {
        char one[2] = { *at, '\0' };

        if (!label_is_name(one, 1) && *at != '-' && *at != '.')
            *at = '_';
    }
    return arena_format(arena, "databases/%03zu-%.60s%s%s", number, safe, directory ? "" : ".dump",
                        pipeline_suffix(stage->pipeline));
}

static bool databases_dump(const struct stage *stage, struct fault *fault)
{
    struct manifest *manifest = stage->manifest;
    bool unread_objects = false;

    if (!durable_directory(stage->logical->directory_fd, "databases", fault))
        return false;
    manifest->database_count = stage->database_count;
    manifest->databases = arena_alloc(stage->arena, stage->database_count * sizeof *manifest->databases);
    for (size_t i = 0; i < stage->database_count; i++) {
        struct database_entry *entry = &manifest->databases[i];
        struct digest digest;
        uint64_t before = tree_bytes(stage->logical->directory_fd);

        entry->name = stage->databases[i];
        entry->path = archive_path(stage, entry->name, i + 1);
        if (!logical_dump(stage->logical, entry, &digest, stage->arena, fault))
            return false;
        if (stage->logical->job->format != FORMAT_DIRECTORY)
            manifest_add_file(manifest, stage->arena, entry->path, &digest);
        entry->stored_bytes = (int64_t)(tree_bytes(stage->logical->directory_fd) - before);
        progress_done(&stage->logical->work->progress, (uint64_t)entry->stored_bytes);
        unread_objects = unread_objects || !entry->fingerprint.has_large_objects;
    }
    if (unread_objects)
        manifest_warn(manifest, stage->arena, warning_large_objects);
    return true;
}

static bool settings_dump(const struct stage *stage, struct fault *fault)
{
    struct stored stored = { .dir_fd = stage->logical->directory_fd,
                             .path = arena_format(stage->arena, "settings.json%s",
                                                  pipeline_suffix(stage->pipeline)) };

    if (!settings_save(stage->logical, &stored, stage->arena, fault))
        return false;
    manifest_add_file(stage->manifest, stage->arena, stored.path, &stored.digest);
    return true;
}

/* Two files, because a restored copy on the same machine wants the roles but must not touch live
 * tablespaces. */
static bool globals_files_dump(const struct stage *stage, struct fault *fault)
{
    static const char *const parts[][2] = { { "roles.sql", "--roles-only" },
                                            { "tablespaces.sql", "--tablespaces-only" } };

    for (unsigned i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        const char *what[2] = { parts[i][1], stage->role_passwords ? NULL : "--no-role-passwords" };
        struct stored stored = { .dir_fd = stage->logical->directory_fd,
                                 .path = arena_format(stage->arena, "%s%s", parts[i][0],
                                                      pipeline_suffix(stage->pipeline)) };

        if (!logical_globals(stage->logical, stage->dumpall, what, &stored, fault))
            return false;
        manifest_add_file(stage->manifest, stage->arena, stored.path, &stored.digest);
    }
    return settings_dump(stage, fault);
}

static bool globals_dump(const struct stage *stage, struct fault *fault)
{
    struct manifest *manifest = stage->manifest;
    struct progress *progress = &stage->logical->work->progress;

    manifest->globals = stage->logical->job->globals;
    manifest->role_passwords = manifest->globals && stage->role_passwords;
    if (!manifest->globals)
        return true;
    if (!stage->role_passwords)
        manifest_warn(manifest, stage->arena, warning_passwords);
    progress_phase(progress, 0, "saving roles, tablespaces and settings");
    if (!globals_files_dump(stage, fault)) {
        work_abandon(stage->logical->work);
        return false;
    }
    progress_done(progress, 0);
    return true;
}

/* What went through the pipeline was hashed there, and stands first in the list. */
struct listing {
    const struct stage *stage;
    size_t known;
};

static bool is_known(const struct listing *listing, const char *path)
{
    for (size_t i = 0; i < listing->known; i++)
        if (strcmp(listing->stage->manifest->files[i].path, path) == 0)
            return true;
    return false;
}

static bool file_list(void *context, const struct tree_entry *entry, struct fault *fault)
{
    const struct listing *listing = context;
    const struct stage *stage = listing->stage;
    struct digest digest;

    if (S_ISDIR(entry->stat.st_mode) || is_known(listing, entry->path))
        return true;
    if (!digest_file(entry->dir_fd, entry->name, &stage->logical->work->pulse, &digest, fault))
        return false;
    manifest_add_file(stage->manifest, stage->arena, entry->path, &digest);
    return true;
}

static int file_order(const void *a, const void *b)
{
    return strcmp(((const struct file_entry *)a)->path, ((const struct file_entry *)b)->path);
}

static bool manifest_finish(const struct stage *stage, uint64_t duration_us, struct fault *fault)
{
    struct manifest *manifest = stage->manifest;
    struct listing listing = { stage, manifest->file_count };
    int fd = stage->logical->directory_fd;
    char *notes = notes_text(manifest);
    bool ok = durable_write(fd, "RESTORE.md", notes, strlen(notes), fault);

    free(notes);
    if (!ok)
        return false;
    progress_phase(&stage->logical->work->progress, 0, "computing SHA-256");
    if (!tree_walk(fd, file_list, &listing, fault))
        return false;
    qsort(manifest->files, manifest->file_count, sizeof *manifest->files, file_order);
    manifest->finished = (int64_t)time(NULL);
    manifest->duration_us = (int64_t)duration_us;
    progress_done(&stage->logical->work->progress, (uint64_t)manifest->stored_bytes);
    return manifest_write(fd, manifest, fault);
}

/* What an attempt in another repository, now given up, had filled in. */
static void manifest_restart(struct manifest *manifest)
{
    manifest->database_count = manifest->file_count = manifest->file_room = manifest->warning_count = 0;
    manifest->stored_bytes = 0;
    manifest->files = NULL;
}

static bool stage_fill(const struct stage *stage, struct fault *fault)
{
    uint64_t started_us = clock_now_us();

    manifest_restart(stage->manifest);
    if (stage->logical->job->kind == KIND_PHYSICAL) {
        if (!physical_dump(stage->logical, stage->manifest, stage->arena, fault))
            return false;
    } else if (!databases_dump(stage, fault) || !globals_dump(stage, fault))
        return false;
    return manifest_finish(stage, clock_now_us() - started_us, fault);
}

/* Makes LABEL.partial and opens it; -1 with the fault set on error. */
static int partial_open(const struct repository *repository, const char *partial, struct fault *fault)
{
    if (!durable_directory(repository->job_fd, partial, fault))
        return -1;
    return tree_open(repository->job_fd, partial, fault);
}

/* Publishes when `ok`; otherwise, or when that fails, removes what there is. */
static bool partial_close(const struct repository *repository, const char *partial, const char *label,
                          bool ok, struct fault *fault)
{
    struct fault ignored;

    if (ok && durable_publish(repository->job_fd, partial, label, fault))
        return true;
    tree_remove(repository->job_fd, partial, &ignored);
    return false;
}

bool stage_make(const struct stage *stage, const struct repository *repository, struct fault *fault)
{
    struct logical *logical = stage->logical;
    char partial[PARTIAL_BYTES];
    bool ok;

    snprintf(partial, sizeof partial, "%s.partial", stage->manifest->label);
    logical->directory = arena_format(stage->arena, "%s/%s", repository->path, partial);
    logical->directory_fd = partial_open(repository, partial, fault);
    if (logical->directory_fd < 0)
        return false;
    ok = stage_fill(stage, fault);
    progress_clear(&logical->work->progress);
    close(logical->directory_fd);
    return partial_close(repository, partial, stage->manifest->label, ok, fault);
}

/* Makes the directories that a path of the manifest goes through. */
static bool parents_make(int root_fd, const char *path, struct fault *fault)
{
    char parent[PATH_MAX];

    for (const char *at = strchr(path, '/'); at != NULL; at = strchr(at + 1, '/')) {
        snprintf(parent, sizeof parent, "%.*s", (int)(at - path), path);
        if (mkdirat(root_fd, parent, 0700) != 0 && errno != EEXIST)
            return failure_storage(fault, "make the directory", parent);
    }
    return true;
}

static bool files_copy(const struct stage *stage, int from_fd, int to_fd, struct fault *fault)
{
    const struct manifest *manifest = stage->manifest;
    struct work *work = stage->logical->work;

    for (size_t i = 0; i < manifest->file_count; i++) {
        const char *path = manifest->files[i].path;

        if (!pulse_beat(&work->pulse, fault) || !parents_make(to_fd, path, fault) ||
            !durable_copy(from_fd, path, to_fd, path, fault))
            return false;
    }
    return verify_files(to_fd, manifest, &work->pulse, NULL, fault) &&
           manifest_write(to_fd, manifest, fault);
}

bool stage_copy(const struct stage *stage, const struct repository *from, const struct repository *to,
                struct fault *fault)
{
    struct work *work = stage->logical->work;
    char partial[PARTIAL_BYTES];
    int from_fd = tree_open(from->job_fd, stage->manifest->label, fault), to_fd;
    bool ok = false;

    if (from_fd < 0)
        return false;
    snprintf(partial, sizeof partial, "%s.partial", stage->manifest->label);
    to_fd = partial_open(to, partial, fault);
    work_measure_tree(work, to_fd);
    ok = to_fd >= 0 && files_copy(stage, from_fd, to_fd, fault);
    work_measure_tree(work, -1);
    close(from_fd);
    if (to_fd >= 0)
        close(to_fd);
    return partial_close(to, partial, stage->manifest->label, ok, fault);
}
