/* SPDX-License-Identifier: PostgreSQL
 * verify - proves a published backup at a level and records the result beside its manifest. */
#include "backup/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backup/base.h"
#include "backup/content.h"
#include "backup/digest.h"
#include "backup/failure.h"
#include "backup/keyring.h"
#include "backup/label.h"
#include "backup/manifest.h"
#include "backup/pipeline.h"
#include "backup/repository.h"
#include "backup/text.h"
#include "backup/tree.h"
#include "backup/verification.h"
#include "backup/work.h"
#include "gateway/base/arena.h"
#include "gateway/base/check.h"
#include "gateway/base/clock.h"

void verify_print_difference(void *context, bool fatal, const char *sentence)
{
    progress_clear(context);
    text_print(stderr, "%s: %s\n", fatal ? "DIFFERENCE" : "note", sentence);
}

struct inspection {
    const struct manifest *manifest; /* files sorted by path */
    const struct pulse *pulse;
    const struct verify_report *report;
    struct fault first;
    size_t wrong;
};

static void __attribute__((format(printf, 2, 3)))
wrong(struct inspection *inspection, const char *format, ...)
{
    char sentence[512];
    va_list args;

    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    if (inspection->wrong++ == 0)
        failure_set(&inspection->first, FAILURE_VERIFY, "%s", sentence);
    if (inspection->report != NULL)
        inspection->report->say(inspection->report->context, true, sentence);
}

static int path_order(const void *key, const void *entry)
{
    return strcmp(key, ((const struct file_entry *)entry)->path);
}

static bool entry_inspect(void *context, const struct tree_entry *entry, struct fault *fault)
{
    struct inspection *inspection = context;
    const struct manifest *manifest = inspection->manifest;

    (void)fault;
    if (S_ISDIR(entry->stat.st_mode) || strcmp(entry->path, manifest_name) == 0 ||
        strcmp(entry->path, verification_name) == 0)
        return true;
    if (bsearch(entry->path, manifest->files, manifest->file_count, sizeof *manifest->files, path_order) ==
        NULL)
        wrong(inspection, "The file %s is not in the manifest.", entry->path);
    return true;
}

/* False only for a stop; what is wrong with the file is noted. */
static bool file_inspect(struct inspection *inspection, int dir_fd, const struct file_entry *file,
                         struct fault *fault)
{
    struct digest digest;
    struct stat stat;

    if (fstatat(dir_fd, file->path, &stat, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT)
        wrong(inspection, "The file %s is missing.", file->path);
    else if (!digest_file(dir_fd, file->path, inspection->pulse, &digest, fault)) {
        if (pulse_stopping())
            return false;
        wrong(inspection, "%s", fault->message);
    } else if ((int64_t)digest.bytes != file->bytes)
        wrong(inspection, "The file %s has %" PRIu64 " bytes instead of %" PRId64 ".", file->path,
              digest.bytes, file->bytes);
    else if (strcmp(digest.sha256, file->sha256) != 0)
        wrong(inspection,
              "The file %s has the right size, but its SHA-256 differs: its contents were changed.",
              file->path);
    return true;
}

bool verify_files(int dir_fd, const struct manifest *manifest, const struct pulse *pulse,
                  const struct verify_report *report, struct fault *fault)
{
    struct inspection inspection = { .manifest = manifest, .pulse = pulse, .report = report };

    for (size_t i = 0; i < manifest->file_count; i++)
        if (!pulse_beat(pulse, fault) || !file_inspect(&inspection, dir_fd, &manifest->files[i], fault))
            return false;
    if (!tree_walk(dir_fd, entry_inspect, &inspection, fault))
        return false;
    if (inspection.wrong == 0)
        return true;
    *fault = inspection.first;
    if (inspection.wrong > 1)
        fault_hint(fault, "%zu files differ in all.", inspection.wrong);
    return false;
}

static bool archives_pass(const struct subject *without_pipeline, enum verify_level level,
                          struct fault *fault)
{
    struct subject subject = *without_pipeline;
    struct key_search search = { .options = subject.options };
    struct pipeline pipeline;
    bool ok = pipeline_of_manifest(&pipeline, subject.manifest, &search, fault);

    subject.pipeline = &pipeline;
    if (ok && manifest_is_physical(subject.manifest))
        ok = base_verify(&subject, level, fault);
    else if (ok && level == VERIFY_ARCHIVE)
        ok = content_parse(&subject, fault);
    else if (ok)
        ok = content_verify(&subject, level == VERIFY_CONTENT, fault);
    pipeline_wipe(&pipeline);
    return ok;
}

static bool levels_pass(const struct runner_options *options, const struct backup_place *place,
                        enum verify_level level, struct work *work, const struct verify_report *report,
                        struct fault *fault)
{
    struct arena *arena = arena_new();
    struct manifest manifest;
    bool ok;

    CHECK(arena != NULL);
    ok = manifest_read(place->dir_fd, &manifest, arena, fault);
    if (ok && strcmp(manifest.label, place->label) != 0)
        ok = failure_set(fault, FAILURE_VERIFY, "The manifest in %s is that of %s.", place->label,
                         manifest.label);
    if (ok) {
        progress_phase(&work->progress, 0, "re-reading every file of %s", place->label);
        ok = verify_files(place->dir_fd, &manifest, &work->pulse, report, fault);
        progress_clear(&work->progress);
    }
    if (ok)
        progress_done(&work->progress, (uint64_t)manifest.stored_bytes);
    if (ok && level > VERIFY_CHECKSUM)
        ok = archives_pass(&(struct subject){ .options = options,
                                              .manifest = &manifest,
                                              .path = place_path(place, arena),
                                              .dir_fd = place->dir_fd,
                                              .work = work,
                                              .report = report },
                           level, fault);
    arena_free(arena);
    return ok;
}

static const char *const proved[] = {
    [VERIFY_CHECKSUM] = "every file re-read; sizes and SHA-256 are equal",
    [VERIFY_ARCHIVE] = "every archive decrypted, decompressed and parsed to its end",
    [VERIFY_RESTORE] = "restored into a scratch server",
    [VERIFY_CONTENT] = "restored into a scratch server; rows and checksums of every table are equal",
};
static const char *const proved_physical[] = {
    [VERIFY_CHECKSUM] = "every file re-read; sizes and SHA-256 are equal",
    [VERIFY_ARCHIVE] = "the stream decrypted, decompressed and read to its end",
    [VERIFY_RESTORE] = "unpacked, checked by pg_verifybackup, started and recovered",
    [VERIFY_CONTENT] = "unpacked, checked by pg_verifybackup, recovered; every table and index read by "
                       "pg_amcheck",
};

bool verify_backup(const struct runner_options *options, const struct backup_place *place,
                   enum verify_level level, struct work *work, const struct verify_report *report,
                   struct fault *fault)
{
    uint64_t started_us = clock_now_us();
    bool passed = levels_pass(options, place, level, work, report, fault);
    struct verification_result result = {
        .level = level_name(level),
        .time = (int64_t)time(NULL),
        .duration_us = (int64_t)(clock_now_us() - started_us),
        .passed = passed,
        .text = !passed                                       ? fault->message
                : label_kind(place->label) == LABEL_PHYSICAL ? proved_physical[level]
                                                             : proved[level],
    };
    enum failure failure = passed ? FAILURE_OTHER : failure_of(fault);
    struct fault unrecorded;

    /* Only what says something about the backup is recorded: not a stop, nor a machine without an initdb. */
    if (!passed && failure != FAILURE_VERIFY && failure != FAILURE_CONTENT && failure != FAILURE_NOT_FOUND)
        return false;
    if (verification_add(place->dir_fd, &result, passed ? fault : &unrecorded))
        return passed;
    return false;
}
