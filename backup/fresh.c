/* SPDX-License-Identifier: PostgreSQL
 * fresh - whether the newest verified backup is young enough, and the same facts as metrics. */
#include "backup/fresh.h"

#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "backup/durable.h"
#include "backup/failure.h"
#include "backup/label.h"
#include "backup/manifest.h"
#include "backup/repository.h"
#include "backup/text.h"
#include "backup/verification.h"
#include "conf/row.h"
#include "gateway/base/arena.h"
#include "gateway/base/check.h"

/* What the visit of one or more repositories found out. */
struct survey {
    const char *job;      /* only this one's; NULL = all */
    const char *database; /* only with this one; NULL = any */
    enum verify_level level;
    int64_t newest, newest_verified; /* seconds since 1970; 0 = none */
    enum verify_level verified_level;
    int64_t count, damaged, bytes, newest_bytes, newest_us;
    char label[LABEL_BYTES], repository[64];
};

static bool holds_database(const struct manifest *manifest, const char *database)
{
    if (database == NULL || manifest_is_physical(manifest))
        return true;
    for (size_t i = 0; i < manifest->database_count; i++)
        if (strcmp(manifest->databases[i].name, database) == 0)
            return true;
    return false;
}

static void backup_count(struct survey *survey, const struct backup_place *place,
                         const struct manifest *manifest, const struct verification_result *result)
{
    enum verify_level level = VERIFY_NONE;

    survey->count++;
    survey->bytes += manifest->stored_bytes;
    survey->damaged += result != NULL && !result->passed;
    if (manifest->started > survey->newest) {
        survey->newest = manifest->started;
        survey->newest_bytes = manifest->stored_bytes;
        survey->newest_us = manifest->duration_us;
    }
    if (result == NULL || !result->passed || !level_from_name(result->level, &level) ||
        level < survey->level || manifest->started < survey->newest_verified)
        return;
    survey->newest_verified = manifest->started;
    survey->verified_level = level;
    snprintf(survey->label, sizeof survey->label, "%s", place->label);
    snprintf(survey->repository, sizeof survey->repository, "%s", place->repository->name);
}

static bool place_survey(void *context, const struct backup_place *place, struct fault *fault)
{
    struct survey *survey = context;
    struct arena *arena;
    struct verification verification;
    struct manifest manifest;
    struct fault ignored;

    (void)fault;
    if (place->partial || (survey->job != NULL && strcmp(place->job, survey->job) != 0))
        return true;
    arena = arena_new();
    CHECK(arena != NULL);
    if (manifest_read(place->dir_fd, &manifest, arena, &ignored) &&
        verification_read(place->dir_fd, &verification, arena, &ignored) &&
        holds_database(&manifest, survey->database))
        backup_count(survey, place, &manifest, verification_summary(&verification));
    arena_free(arena);
    return true;
}

static void stale_tell(const struct fresh_request *request, const struct survey *survey, int64_t now,
                  struct fault *fault)
{
    char age[TEXT_SHORT];

    if (survey->newest_verified == 0)
        failure_set(fault, FAILURE_STALE,
                    "There is no backup of \"%s\" that passed a verification (%s or better) among %" PRId64
                    ".",
                    request->database, level_name(request->level), survey->count);
    else
        failure_set(fault, FAILURE_STALE,
                    "The newest verified backup of \"%s\" is %s old, expected were at most %s: %s in %s.",
                    request->database,
                    text_duration(age, (uint64_t)(now - survey->newest_verified) * 1000000), request->age,
                    survey->label, survey->repository);
    text_print(stdout, "CRITICAL: %s\n", fault->message);
}

bool fresh_run(const struct runner_options *options, const struct fresh_request *request,
               struct fault *fault)
{
    struct survey survey = { .database = request->database, .level = request->level };
    int64_t now = (int64_t)time(NULL), age;
    struct fault unread = { .message = "" };
    uint64_t limit_us;
    char text[TEXT_SHORT];

    if (!duration_from_text(request->age, &limit_us))
        return failure_set(fault, FAILURE_USAGE, "Expected an age such as 6h or 2d, found \"%s\".",
                           request->age);
    for (size_t i = 0; i < options->repository_count; i++)
        if (request->repository == NULL || strcmp(request->repository, options->repositories[i].name) == 0)
            repository_visit(&options->repositories[i], place_survey, &survey, &unread);
    age = now < survey.newest_verified ? 0 : now - survey.newest_verified;
    if (survey.newest_verified == 0 || age > (int64_t)(limit_us / 1000000)) {
        stale_tell(request, &survey, now, fault);
        return unread.message[0] == '\0' ? false : fault_hint(fault, "%s", unread.message);
    }
    text_print(stdout,
               "OK: the newest verified backup of \"%s\" is %s old: %s in %s, %s | age=%" PRId64 "s\n",
               request->database, text_duration(text, (uint64_t)age * 1000000), survey.label,
               survey.repository, level_name(survey.verified_level), age);
    return true;
}

const char *fresh_newest(const struct runner_options *options, const struct job_options *job,
                         const char **repository, struct arena *arena, struct fault *fault)
{
    struct survey survey = { .job = job->name, .level = VERIFY_CHECKSUM };
    struct fault unread;

    for (size_t i = 0; i < options->repository_count; i++)
        if (*repository == NULL || strcmp(*repository, options->repositories[i].name) == 0)
            repository_visit(&options->repositories[i], place_survey, &survey, &unread);
    if (survey.newest_verified == 0) {
        failure_set(fault, FAILURE_NOT_FOUND, "No backup of job \"%s\" has passed a verification yet.",
                    job->name);
        fault_hint(fault, "Verify one, or name one by its label: pgsluice-backup list shows them.");
        return NULL;
    }
    *repository = arena_string(arena, survey.repository);
    return arena_string(arena, survey.label);
}

/* One metric of one job in one repository. */
static const struct {
    const char *name, *type, *help;
    size_t offset; /* of an int64_t in struct survey */
    double unit;   /* the value is divided by it */
} metrics[] = {
#define METRIC(name, type, help, field, unit) { name, type, help, offsetof(struct survey, field), unit }
    METRIC("last_success_timestamp_seconds", "gauge", "When the newest backup began.", newest, 1),
    METRIC("last_verified_timestamp_seconds", "gauge", "When the newest verified backup began.",
           newest_verified, 1),
    METRIC("last_duration_seconds", "gauge", "How long the newest backup took.", newest_us, 1e6),
    METRIC("last_stored_bytes", "gauge", "Size of the newest backup.", newest_bytes, 1),
    METRIC("stored_bytes", "gauge", "Size of all backups.", bytes, 1),
    METRIC("count", "gauge", "How many backups there are.", count, 1),
    METRIC("damaged_count", "gauge", "How many of them failed their newest verification.", damaged, 1),
#undef METRIC
};

enum { METRICS = sizeof metrics / sizeof metrics[0] };

/* Job and repository names are letters, digits and the like; quotes and backslashes of a name are dropped. */
static void label_write(FILE *to, const char *key, const char *value)
{
    fprintf(to, "%s=\"", key);
    for (; *value != '\0'; value++)
        if (*value != '"' && *value != '\\' && (unsigned char)*value >= ' ')
            fputc(*value, to);
    fputc('"', to);
}

static void metric_write(FILE *to, int metric, const struct job_options *job, const char *repository,
                         const struct survey *survey)
{
    int64_t value = *(const int64_t *)((const char *)survey + metrics[metric].offset);

    fprintf(to, "pgsluice_backup_%s{", metrics[metric].name);
    label_write(to, "job", job->name);
    label_write(to, ",repository", repository);
    fprintf(to, "} %.15g\n", (double)value / metrics[metric].unit);
}

static void repositories_write(FILE *to, const struct runner_options *options)
{
    fputs("# HELP pgsluice_backup_repository_free_bytes Free space of the repository.\n"
          "# TYPE pgsluice_backup_repository_free_bytes gauge\n",
          to);
    for (size_t i = 0; i < options->repository_count; i++) {
        struct statvfs space;

        if (statvfs(options->repositories[i].path, &space) != 0)
            continue;
        fputs("pgsluice_backup_repository_free_bytes{", to);
        label_write(to, "repository", options->repositories[i].name);
        fprintf(to, "} %.15g\n", (double)space.f_bavail * (double)space.f_frsize);
    }
}

static void next_write(FILE *to, const struct runner_options *options)
{
    fputs("# HELP pgsluice_backup_next_run_timestamp_seconds When the schedule begins the next run.\n"
          "# TYPE pgsluice_backup_next_run_timestamp_seconds gauge\n",
          to);
    for (size_t i = 0; i < options->job_count; i++) {
        const struct job_options *job = &options->jobs[i];
        int64_t due = job->schedule == NULL ? -1 : schedule_next(&job->plan, (int64_t)time(NULL));

        if (due < 0)
            continue;
        fputs("pgsluice_backup_next_run_timestamp_seconds{", to);
        label_write(to, "job", job->name);
        fprintf(to, "} %" PRId64 "\n", schedule_start(&job->plan, due));
    }
}

static void jobs_write(FILE *to, const struct runner_options *options)
{
    for (int metric = 0; metric < METRICS; metric++) {
        fprintf(to, "# HELP pgsluice_backup_%s %s\n# TYPE pgsluice_backup_%s %s\n", metrics[metric].name,
                metrics[metric].help, metrics[metric].name, metrics[metric].type);
        for (size_t i = 0; i < options->job_count; i++)
            for (size_t k = 0; k < options->jobs[i].repository.count; k++) {
                const char *name = options->jobs[i].repository.items[k];
                struct survey survey = { .job = options->jobs[i].name, .level = VERIFY_CHECKSUM };
                struct fault ignored;

                repository_visit(options_repository(options, name), place_survey, &survey, &ignored);
                metric_write(to, metric, &options->jobs[i], name, &survey);
            }
    }
}

/* A collector that reads meanwhile sees the old or the new file; it must be able to read it. */
static bool file_put(const char *file, const char *text, size_t size, struct fault *fault)
{
    char *directory = strdup(file), *name = strdup(file);
    int fd;
    bool ok;

    CHECK(directory != NULL && name != NULL);
    fd = open(dirname(directory), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ok = fd >= 0 ? durable_write(fd, basename(name), text, size, fault)
                 : failure_storage(fault, "open the directory of", file);
    if (ok && fchmodat(fd, basename(name), 0644, 0) != 0)
        ok = failure_storage(fault, "change the mode of", file);
    if (fd >= 0)
        close(fd);
    free(directory);
    free(name);
    return ok;
}

bool fresh_metrics(const struct runner_options *options, const char *file, struct fault *fault)
{
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    bool ok = true;

    CHECK(to != NULL);
    jobs_write(to, options);
    repositories_write(to, options);
    next_write(to, options);
    CHECK(fclose(to) == 0);
    if (file == NULL)
        fputs(text, stdout);
    else
        ok = file_put(file, text, size, fault);
    free(text);
    return ok;
}
