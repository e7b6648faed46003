/* SPDX-License-Identifier: PostgreSQL
 * report - what backups there are: list and show, for people and as JSON, on standard output. */
#include "backup/report.h"

#include <fcntl.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/failure.h"
#include "backup/manifest.h"
#include "backup/record.h"
#include "backup/repository.h"
#include "backup/smallfile.h"
#include "backup/text.h"
#include "backup/verification.h"
#include "gateway/base/arena.h"
#include "gateway/base/check.h"

struct listing {
    json_t *backups, *others; /* others: half-made or damaged */
};

static json_t *result_json(const struct verification_result *result)
{
    if (result == NULL)
        return json_null();
    return json_pack("{s:s, s:b, s:I, s:s}", "level", result->level, "passed", (int)result->passed, "time",
                     (json_int_t)result->time, "text", result->text);
}

static json_t *names_json(const struct manifest *manifest)
{
    json_t *names = json_array();

    for (size_t i = 0; i < manifest->database_count; i++)
        json_array_append_new(names, json_string(manifest->databases[i].name));
    return names;
}

static json_t *backup_json(const struct backup_place *place, const struct manifest *manifest,
                           const struct verification *verification)
{
    return json_pack(
        "{s:s, s:s, s:s, s:I, s:I, s:I, s:s, s:o, s:o, s:i}", "label", place->label, "repository",
        place->repository->name, "job", place->job, "started", (json_int_t)manifest->started, "duration_us",
        (json_int_t)manifest->duration_us, "stored_bytes", (json_int_t)manifest->stored_bytes,
        "server_version", manifest->server_version, "databases", names_json(manifest), "verified",
        result_json(verification_summary(verification)), "warnings", (int)manifest->warning_count);
}

static bool place_list(void *context, const struct backup_place *place, struct fault *fault)
{
    struct listing *listing = context;
    struct arena *arena = arena_new();
    struct verification verification;
    struct manifest manifest;
    struct fault why;
    const char *state = NULL;

    (void)fault;
    CHECK(arena != NULL);
    if (place->partial)
        state = repository_is_locked(place->job_fd)
                    ? "being made now"
                    : "half-made, left by a run that died; the next run removes it";
    else if (!manifest_read(place->dir_fd, &manifest, arena, &why) ||
             !verification_read(place->dir_fd, &verification, arena, &why))
        state = why.message;
    if (state == NULL)
        json_array_append_new(listing->backups, backup_json(place, &manifest, &verification));
    else
        json_array_append_new(listing->others,
                              json_pack("{s:s, s:s, s:s, s:s}", "label", place->label, "repository",
                                        place->repository->name, "job", place->job, "state", state));
    arena_free(arena);
    return true;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text == NULL ? "" : text;
}

static uint64_t number_of(const json_t *object, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(object, key));
}

static void verified_print(const json_t *result)
{
    char when[TEXT_SHORT];

    if (!json_is_object(result))
        text_print(stdout, "%-32s", "none");
    else
        text_print(stdout, "%-10s %-21s",
                   json_is_true(json_object_get(result, "passed")) ? text_of(result, "level") : "FAILED",
                   text_time(when, (int64_t)number_of(result, "time")));
}

static void backup_print(const json_t *backup)
{
    char started[TEXT_SHORT], duration[TEXT_SHORT], size[TEXT_SHORT];
    const json_t *names = json_object_get(backup, "databases");

    text_print(stdout, "%-36s %-12s %-12s %-21s %-12s %-9s ", text_of(backup, "label"),
               text_of(backup, "job"), text_of(backup, "repository"),
               text_time(started, (int64_t)number_of(backup, "started")),
               text_duration(duration, number_of(backup, "duration_us")),
               text_size(size, number_of(backup, "stored_bytes")));
    verified_print(json_object_get(backup, "verified"));
    for (size_t i = 0; i < json_array_size(names); i++)
        text_print(stdout, "%s%s", i == 0 ? "" : ",", json_string_value(json_array_get(names, i)));
    text_print(stdout, "\n");
}

static void listing_print(const struct listing *listing)
{
    if (json_array_size(listing->backups) == 0)
        text_print(stdout, "There are no backups yet.\n");
    else
        text_print(stdout, "%-36s %-12s %-12s %-21s %-12s %-9s %-32s%s\n", "LABEL", "JOB", "REPOSITORY",
                   "STARTED", "DURATION", "SIZE", "VERIFIED", "DATABASES");
    for (size_t i = 0; i < json_array_size(listing->backups); i++)
        backup_print(json_array_get(listing->backups, i));
    for (size_t i = 0; i < json_array_size(listing->others); i++) {
        const json_t *other = json_array_get(listing->others, i);

        text_print(stdout, "NOT A BACKUP: %s in %s: %s\n", text_of(other, "label"),
                   text_of(other, "repository"), text_of(other, "state"));
    }
}

static void json_print(json_t *object)
{
    char *text = json_dumps(object, JSON_INDENT(1));

    CHECK(text != NULL);
    puts(text);
    free(text);
}

static bool repository_list(const struct repository_options *repository, struct listing *listing,
                            struct fault *fault)
{
    struct stat stat;

    if (lstat(repository->path, &stat) == 0 || errno != ENOENT)
        return repository_visit(repository, place_list, listing, fault);
    text_print(stderr, "note: repository %s: %s does not exist yet; the first run makes it.\n",
               repository->name, repository->path);
    return true;
}

bool report_list(const struct runner_options *options, const char *repository, bool json,
                 struct fault *fault)
{
    struct listing listing = { .backups = json_array(), .others = json_array() };
    json_t *object = json_pack("{s:O, s:O}", "backups", listing.backups, "not_backups", listing.others);
    bool ok = true;

    if (repository != NULL && options_repository(options, repository) == NULL)
        ok =
            failure_set(fault, FAILURE_NOT_FOUND, "The configuration has no repository \"%s\".", repository);
    for (size_t i = 0; ok && i < options->repository_count; i++)
        if (repository == NULL || strcmp(options->repositories[i].name, repository) == 0)
            ok = repository_list(&options->repositories[i], &listing, fault);
    if (json)
        json_print(object);
    else
        listing_print(&listing);
    json_decref(object);
    json_decref(listing.backups);
    json_decref(listing.others);
    return ok;
}

static void database_print(const struct database_entry *database)
{
    char size[TEXT_SHORT], stored[TEXT_SHORT], duration[TEXT_SHORT];
    const struct fingerprint *print = &database->fingerprint;

    text_print(stdout, "\ndatabase  %s\n  archive      %s, %s of %s, dumped in %s\n", database->name,
               database->path, text_size(stored, (uint64_t)database->stored_bytes),
               text_size(size, (uint64_t)database->size_bytes),
               text_duration(duration, (uint64_t)database->dump_us));
    text_print(stdout, "  snapshot     %s at %s\n", database->snapshot, database->lsn);
    if (database->extensions != NULL && database->extensions[0] != '\0')
        text_print(stdout, "  extensions   %s\n", database->extensions);
    if (database->left_out != NULL)
        text_print(stdout, "  left out     schemas %s\n", database->left_out);
    for (size_t i = 0; i < print->table_count; i++)
        text_print(stdout, "  %-12.12s %s.%s: %" PRId64 " rows, checksum %s\n", print->tables[i].kind,
                   print->tables[i].schema, print->tables[i].name, print->tables[i].rows,
                   print->tables[i].checksum);
    for (size_t i = 0; i < print->sequence_count; i++)
        text_print(stdout, "  sequence     %s.%s: %" PRId64 "\n", print->sequences[i].schema,
                   print->sequences[i].name, print->sequences[i].after);
    if (print->has_large_objects)
        text_print(stdout, "  large objects: %" PRId64 "\n", print->large_objects);
    for (size_t i = 0; i < print->skipped_count; i++)
        text_print(stdout, "  not compared %s.%s: %s\n", print->skipped[i].schema, print->skipped[i].name,
                   print->skipped[i].why);
}

static void manifest_print(const struct manifest *manifest, const struct verification *verification,
                           const char *path)
{
    char started[TEXT_SHORT], duration[TEXT_SHORT], size[TEXT_SHORT], when[TEXT_SHORT];

    text_print(stdout, "backup    %s\npath      %s\njob       %s (%s, format %s)\n", manifest->label, path,
               manifest->job, manifest->kind, manifest->format);
    text_print(stdout, "server    PostgreSQL %s%s, %s\ntools     %s %s, pgsluice-backup %s\n",
               manifest->server_version, manifest->standby ? " (standby)" : "", manifest->gateway,
               manifest_is_physical(manifest) ? "pg_basebackup" : "pg_dump", manifest->tool_version,
               manifest->runner_version);
    text_print(stdout, "started   %s\nduration  %s\nstored    %s in %zu files\n",
               text_time(started, manifest->started),
               text_duration(duration, (uint64_t)manifest->duration_us),
               text_size(size, (uint64_t)manifest->stored_bytes), manifest->file_count);
    text_print(stdout, "globals   %s\n",
               !manifest->globals         ? "no"
               : manifest->role_passwords ? "yes"
                                          : "yes, without passwords");
    for (size_t i = 0; i < manifest->warning_count; i++)
        text_print(stdout, "warning   %s\n", manifest->warnings[i].text);
    for (size_t i = 0; i < verification->count; i++)
        text_print(stdout, "verified  %s %s %s: %s\n", text_time(when, verification->results[i].time),
                   verification->results[i].level, verification->results[i].passed ? "passed" : "FAILED",
                   verification->results[i].text);
    if (verification->count == 0)
        text_print(stdout, "verified  never\n");
    for (size_t i = 0; i < manifest->database_count; i++)
        database_print(&manifest->databases[i]);
}

static bool manifest_print_json(int dir_fd, const struct verification *verification, struct fault *fault)
{
    size_t length;
    char *text = smallfile_read(dir_fd, manifest_name, &length, fault);
    json_t *results = json_array(), *object;

    if (text == NULL) {
        json_decref(results);
        return false;
    }
    for (size_t i = 0; i < verification->count; i++)
        json_array_append_new(results, result_json(&verification->results[i]));
    object = json_pack("{s:o, s:o}", "manifest", json_loadb(text, length, 0, NULL), "verification", results);
    free(text);
    json_print(object);
    json_decref(object);
    return true;
}

bool report_show(const struct runner_options *options, const char *repository, const char *label, bool json,
                 struct fault *fault)
{
    struct arena *arena = arena_new();
    struct verification verification;
    struct manifest manifest;
    struct backup_place place;
    bool ok;

    CHECK(arena != NULL);
    ok = repository_find(options, repository, label, &place, arena, fault);
    if (ok) {
        ok = manifest_read(place.dir_fd, &manifest, arena, fault) &&
             verification_read(place.dir_fd, &verification, arena, fault);
        if (ok && json)
            ok = manifest_print_json(place.dir_fd, &verification, fault);
        else if (ok)
            manifest_print(&manifest, &verification, place_path(&place, arena));
        close(place.dir_fd);
        close(place.job_fd);
    }
    arena_free(arena);
    return ok;
}

static void contents_print(const struct manifest *manifest)
{
    int64_t rows = 0;
    size_t tables = 0;

    for (size_t i = 0; i < manifest->database_count; i++) {
        tables += manifest->databases[i].fingerprint.table_count;
        rows += fingerprint_rows(&manifest->databases[i].fingerprint);
    }
    if (manifest_is_physical(manifest))
        text_print(stdout, "contents  the whole cluster\n");
    else
        text_print(stdout, "contents  %zu database%s, %zu tables, %" PRId64 " rows\n",
                   manifest->database_count, manifest->database_count == 1 ? "" : "s", tables, rows);
}

void report_summary(const struct manifest *manifest, const char *const *repositories, const char *verified)
{
    char size[TEXT_SHORT], duration[TEXT_SHORT];

    text_print(stdout, "backup    %s\n", manifest->label);
    contents_print(manifest);
    text_print(stdout, "stored    %s in", text_size(size, (uint64_t)manifest->stored_bytes));
    for (; *repositories != NULL; repositories++)
        text_print(stdout, " %s", *repositories);
    text_print(stdout, "\nduration  %s\nverified  %s\n",
               text_duration(duration, (uint64_t)manifest->duration_us), verified);
    for (size_t i = 0; i < manifest->warning_count; i++)
        text_print(stdout, "warning   %s\n", manifest->warnings[i].text);
}
