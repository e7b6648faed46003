/* SPDX-License-Identifier: PostgreSQL
 * prune - deletes what the rules of retention do not keep, and explains each decision. */
#include "backup/prune.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "backup/failure.h"
#include "backup/label.h"
#include "backup/manifest.h"
#include "backup/options.h"
#include "backup/repository.h"
#include "backup/text.h"
#include "backup/tree.h"
#include "backup/verification.h"
#include "backup/walstore.h"
#include "gateway/base/arena.h"
#include "gateway/base/check.h"

enum { REASONS_TEXT = 400, WAL_NAME = 25 };

struct candidate {
    char label[LABEL_BYTES];
    char wal_start[WAL_NAME];
    int64_t bytes;
    struct retention_item item;
};

struct prune {
    const struct repository *repository;
    const struct job_options *job;
    bool dry, tell;
    struct candidate *candidates;
    size_t count;
};

static void __attribute__((format(printf, 2, 3))) tell(const struct prune *prune, const char *format, ...)
{
    char sentence[600];
    va_list args;

    if (!prune->tell)
        return;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    text_print(stdout, "%s: %s\n", prune->repository->options->name, sentence);
}

/* What cannot be read is nobody's to delete. */
static bool candidate_read(struct prune *prune, const struct backup_place *place, struct arena *arena)
{
    struct candidate *candidate = &prune->candidates[prune->count];
    const struct verification_result *result;
    struct verification verification;
    struct manifest manifest;
    struct fault why;
    enum verify_level level = VERIFY_NONE;

    if (!manifest_read(place->dir_fd, &manifest, arena, &why) ||
        !verification_read(place->dir_fd, &verification, arena, &why)) {
        tell(prune, "keep   %s: it is not a whole backup, so it is left alone: %s", place->label,
             why.message);
        return false;
    }
    result = verification_summary(&verification);
    *candidate = (struct candidate){ .bytes = manifest.stored_bytes, .item = { .time = manifest.started } };
    snprintf(candidate->wal_start, sizeof candidate->wal_start, "%s",
             manifest.wal_start == NULL ? "" : manifest.wal_start);
    snprintf(candidate->label, sizeof candidate->label, "%s", place->label);
    if (result != NULL && result->passed && level_from_name(result->level, &level))
        candidate->item.verified = (int)level;
    candidate->item.damaged = result != NULL && !result->passed;
    return true;
}

static bool candidate_add(void *context, const struct backup_place *place, struct fault *fault)
{
    struct prune *prune = context;
    struct arena *arena;

    (void)fault;
    if (place->partial || strcmp(place->job, prune->job->name) != 0)
        return true;
    arena = arena_new();
    prune->candidates = realloc(prune->candidates, (prune->count + 1) * sizeof *prune->candidates);
    CHECK(arena != NULL && prune->candidates != NULL);
    prune->count += candidate_read(prune, place, arena);
    arena_free(arena);
    return true;
}

static int candidate_order(const void *a, const void *b)
{
    const struct candidate *left = a, *right = b;

    return left->item.time == right->item.time ? strcmp(left->label, right->label)
           : left->item.time < right->item.time ? -1
                                                : 1;
}

static void candidates_decide(struct prune *prune)
{
    const struct retention *retention = prune->repository->options->keep.given
                                            ? &prune->repository->options->keep
                                            : &prune->job->keep;
    struct retention_item *items = calloc(prune->count + 1, sizeof *items);

    CHECK(items != NULL);
    if (prune->count > 0)
        qsort(prune->candidates, prune->count, sizeof *prune->candidates, candidate_order);
    for (size_t i = 0; i < prune->count; i++)
        items[i] = prune->candidates[i].item;
    retention_decide(retention, items, prune->count, (int64_t)time(NULL));
    for (size_t i = 0; i < prune->count; i++)
        prune->candidates[i].item = items[i];
    free(items);
}

/* From the rename on it is no backup any more, and the next run would finish what is begun here. */
static bool candidate_delete(const struct prune *prune, const struct candidate *candidate,
                             struct fault *fault)
{
    int job_fd = prune->repository->job_fd;
    char partial[LABEL_BYTES + 16];

    snprintf(partial, sizeof partial, "%s.partial", candidate->label);
    if (renameat2(job_fd, candidate->label, job_fd, partial, RENAME_NOREPLACE) != 0 || fsync(job_fd) != 0)
        return failure_storage(fault, "delete the backup", candidate->label);
    return tree_remove(job_fd, partial, fault);
}

static bool candidate_settle(const struct prune *prune, const struct candidate *candidate,
                             struct fault *fault)
{
    char reasons[REASONS_TEXT], size[TEXT_SHORT];

    retention_text(candidate->item.reasons, reasons, sizeof reasons);
    if (candidate->item.reasons != 0) {
        tell(prune, "keep   %s: %s", candidate->label, reasons);
        return true;
    }
    tell(prune, "%s %s (%s): %s", prune->dry ? "would delete" : "delete", candidate->label,
         text_size(size, (uint64_t)candidate->bytes),
         candidate->item.damaged ? "it failed its verification, and a newer one was verified"
                                 : "no rule keeps it");
    return prune->dry || candidate_delete(prune, candidate, fault);
}

/* WAL is kept from the oldest base backup on that is kept. One that does not tell where it begins keeps
 * everything. */
static bool wal_prune(const struct prune *prune, struct fault *fault)
{
    const char *oldest = NULL;
    struct walstore store;
    int removed = 0;
    bool ok;

    for (size_t i = 0; i < prune->count && oldest == NULL; i++)
        if (prune->candidates[i].item.reasons != 0)
            oldest = prune->candidates[i].wal_start;
    if (oldest == NULL || oldest[0] == '\0')
        return true;
    if (!walstore_open(&store, prune->repository, false, fault))
        return false;
    ok = store.wal_fd < 0 || walstore_prune(&store, oldest, prune->dry, &removed, fault);
    if (ok && store.wal_fd >= 0)
        tell(prune, "%s %d WAL segments before %s, where the oldest kept backup begins",
             prune->dry ? "would delete" : "delete", removed, oldest);
    walstore_close(&store);
    return ok;
}

bool prune_job(const struct repository *repository, const struct job_options *job, bool dry, bool tell,
               struct fault *fault)
{
    struct prune prune = { .repository = repository, .job = job, .dry = dry, .tell = tell };
    bool ok = repository_visit(repository->options, candidate_add, &prune, fault);

    if (ok)
        candidates_decide(&prune);
    if (ok && prune.count > 0 && prune.candidates[prune.count - 1].item.damaged) {
        failure_set(fault, FAILURE_RETENTION,
                    "The newest backup of job \"%s\" in \"%s\", %s, failed its verification, so nothing is "
                    "deleted.",
                    job->name, repository->options->name, prune.candidates[prune.count - 1].label);
        ok = fault_hint(fault, "Make a good one first; or remove that directory by hand.");
    }
    for (size_t i = 0; ok && i < prune.count; i++)
        ok = candidate_settle(&prune, &prune.candidates[i], fault);
    ok = ok && (job->kind != KIND_PHYSICAL || wal_prune(&prune, fault));
    free(prune.candidates);
    return ok;
}

static bool place_prune(const struct repository_options *options, const struct job_options *job, bool dry,
                        struct fault *fault)
{
    struct repository repository;
    struct stat stat;
    bool ok;

    if (lstat(options->path, &stat) != 0 && errno == ENOENT)
        return true;
    if (!repository_open(&repository, options, job->name, true, fault))
        return false;
    ok = (dry || repository_lock(&repository, fault)) && prune_job(&repository, job, dry, true, fault);
    repository_close(&repository);
    return ok;
}

bool prune_run(const struct runner_options *options, const char *repository, bool dry, struct fault *fault)
{
    bool ok = true;

    if (repository != NULL && options_repository(options, repository) == NULL)
        return failure_set(fault, FAILURE_NOT_FOUND, "The configuration has no repository \"%s\".",
                           repository);
    for (size_t i = 0; i < options->job_count; i++) {
        const struct job_options *job = &options->jobs[i];

        for (size_t k = 0; k < job->repository.count; k++) {
            const char *name = job->repository.items[k];

            if (repository == NULL || strcmp(name, repository) == 0)
                ok = place_prune(options_repository(options, name), job, dry, fault) && ok;
        }
    }
    return ok;
}
