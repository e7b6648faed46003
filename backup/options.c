/* SPDX-License-Identifier: PostgreSQL
 * options - the runner's configuration file, read whole and validated before anything starts. */
#include "backup/options.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>

#include "backup/label.h"
#include "backup/pipeline.h"
#include "backup/zone.h"
#include "conf/conf.h"
#include "gateway/base/arena.h"

#define COUNT(rows) (sizeof(rows) / sizeof(rows)[0])

static const struct conf_word job_kinds[] = { { "logical", KIND_LOGICAL },
                                              { "physical", KIND_PHYSICAL },
                                              { NULL, 0 } };
static const struct conf_word dump_formats[] = { { "custom", FORMAT_CUSTOM },
                                                 { "directory", FORMAT_DIRECTORY },
                                                 { NULL, 0 } };
static const struct conf_word verify_levels[] = {
    { "none", VERIFY_NONE },       { "checksum", VERIFY_CHECKSUM }, { "archive", VERIFY_ARCHIVE },
    { "restore", VERIFY_RESTORE }, { "content", VERIFY_CONTENT },   { NULL, 0 },
};

#define ROW(structure, key, kind, standard, least, most, list, meaning)                                     \
    { .name = #key,                                                                                         \
      .type = CONF_##kind,                                                                                  \
      .offset = offsetof(struct structure, key),                                                            \
      .fallback = standard,                                                                                 \
      .min = least,                                                                                         \
      .max = most,                                                                                          \
      .words = list,                                                                                        \
      .reload = CONF_AT_START,                                                                              \
      .doc = meaning },
#define RUNNER(...)
#define REPOSITORY(...)
#define JOB(...)
#define KEEP(...)

#undef RUNNER
#define RUNNER(...) ROW(runner_options, __VA_ARGS__)
static const struct conf_row runner_rows[] = {
#include "backup/options.def"
};
#undef RUNNER
#define RUNNER(...)

#undef REPOSITORY
#define REPOSITORY(...) ROW(repository_options, __VA_ARGS__)
static const struct conf_row repository_rows[] = {
#include "backup/options.def"
};
#undef REPOSITORY
#define REPOSITORY(...)

#undef JOB
#define JOB(...) ROW(job_options, __VA_ARGS__)
static const struct conf_row job_rows[] = {
#include "backup/options.def"
};

#undef JOB
#define JOB(...)

#undef KEEP
#define KEEP(...) ROW(retention, __VA_ARGS__)
static const struct conf_row keep_rows[] = {
#include "backup/options.def"
};

/* A group that keeps nothing by any rule is a mistake, not a wish. */
static void keep_read(struct conf_group *group, struct retention *keep, struct arena *arena)
{
    struct conf_group child = conf_child(group, "keep");

    if (child.setting == NULL)
        return;
    rows_defaults(keep_rows, COUNT(keep_rows), keep, arena);
    conf_read(&child, keep_rows, COUNT(keep_rows), keep);
    conf_end(&child);
    keep->given = true;
    if (keep->last + keep->daily + keep->weekly + keep->monthly + keep->yearly == 0 && keep->within == 0)
        conf_problem(group, "keep",
                     "expected at least one of last, within, daily, weekly, monthly and yearly");
}

static void repositories_read(struct conf_group *root, struct runner_options *options, struct arena *arena)
{
    options->repository_count = conf_items(root, "repositories");
    options->repositories =
        arena_alloc(arena, (options->repository_count + 1) * sizeof *options->repositories);
    if (options->repository_count == 0)
        conf_problem(root, "repositories",
                     "expected a list of at least one repository such as "
                     "( { name = \"local\"; path = \"/var/backups/pgsluice\"; } )");
    for (size_t i = 0; i < options->repository_count; i++) {
        struct conf_group group = conf_item(root, "repositories", i, "repository");
        struct repository_options *repository = &options->repositories[i];

        repository->line = conf_line(&group, NULL);
        conf_read(&group, repository_rows, COUNT(repository_rows), repository);
        keep_read(&group, &repository->keep, arena);
        conf_end(&group);
        if (repository->name != NULL && options_repository(options, repository->name) != repository)
            conf_problem(&group, "name", "another repository has this name already; give each its own");
    }
}

static void job_check(struct conf_group *group, const struct runner_options *options,
                      const struct job_options *job)
{
    if (job->name != NULL && !label_is_name(job->name, JOB_NAME_MAX))
        conf_problem(group, "name",
                     "expected up to %d letters, digits, dots, underscores or hyphens, because labels "
                     "and directories are made of it; found \"%s\"",
                     JOB_NAME_MAX, job->name);
    if (job->name != NULL && options_job(options, job->name) != job)
        conf_problem(group, "name", "another job has this name already; give each its own");
    for (size_t i = 0; i < job->repository.count; i++)
        if (options_repository(options, job->repository.items[i]) == NULL)
            conf_problem(group, "repository",
                         "no repository is called \"%s\"; name one of the list repositories",
                         job->repository.items[i]);
    for (size_t i = 1; i < job->repository.count; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(job->repository.items[i], job->repository.items[k]) == 0)
                conf_problem(group, "repository", "\"%s\" is named twice", job->repository.items[i]);
    if (job->kind == KIND_PHYSICAL && job->format == FORMAT_DIRECTORY)
        conf_problem(group, "format", "a physical backup is one stream; leave format out");
    if (job->kind != KIND_PHYSICAL && job->wal)
        conf_problem(group, "wal",
                     "WAL can be replayed only on a physical backup: it needs kind = \"physical\"");
    if (job->jobs > 1 && job->format != FORMAT_DIRECTORY)
        conf_problem(group, "jobs",
                     "pg_dump works in parallel only with format = \"directory\"; found jobs = %d",
                     job->jobs);
}

static void job_pipeline_check(struct conf_group *group, const struct job_options *job)
{
    bool directory = job->format == FORMAT_DIRECTORY;
    int level, keys = (job->encrypt_key_file != NULL) + (job->encrypt_key_env != NULL) +
                      (job->encrypt_key_command != NULL);
    enum compression compression = COMPRESSION_GZIP;
    const char *key = job->encrypt_key_file != NULL  ? "encrypt_key_file"
                      : job->encrypt_key_env != NULL ? "encrypt_key_env"
                                                     : "encrypt_key_command";

    if (job->compress != NULL && !compression_parse(job->compress, &compression, &level))
        conf_problem(group, "compress", "expected zstd:1 to zstd:19, gzip:1 to gzip:9, or none; found \"%s\"",
                     job->compress);
    else if (directory && compression == COMPRESSION_ZSTD)
        conf_problem(group, "compress", "pg_dump compresses format = \"directory\" itself, by gzip or not at "
                                        "all; zstd needs format = \"custom\"");
    if (keys > 1)
        conf_problem(group, key, "only one of encrypt_key_file, encrypt_key_env and encrypt_key_command can "
                                  "give the key");
    if (directory && keys > 0)
        conf_problem(group, key, "encryption needs format = \"custom\": with \"directory\" pg_dump writes "
                                  "the files itself");
    if (directory && job->rate_limit > 0)
        conf_problem(group, "rate_limit", "it needs format = \"custom\": with \"directory\" pg_dump writes "
                                          "the files itself");
}

static void job_schedule_check(struct conf_group *group, struct job_options *job)
{
    char why[200];

    if (job->time_zone != NULL && !zone_is_known(job->time_zone)) {
        conf_problem(group, "time_zone",
                     "expected a name from /usr/share/zoneinfo such as \"Europe/Berlin\", found \"%s\"",
                     job->time_zone);
        return;
    }
    if (job->schedule == NULL)
        return;
    job->plan = (struct schedule){ .zone = job->time_zone,
                                   .job = job->name,
                                   .jitter = (int64_t)(job->jitter / 1000000),
                                   .catch_up = job->catch_up };
    if (!cron_parse(job->schedule, &job->plan.cron, why, sizeof why))
        conf_problem(group, "schedule", "\"%s\" cannot be read: %s", job->schedule, why);
}

static void jobs_read(struct conf_group *root, struct runner_options *options, struct arena *arena)
{
    options->job_count = conf_items(root, "jobs");
    options->jobs = arena_alloc(arena, (options->job_count + 1) * sizeof *options->jobs);
    if (options->job_count == 0)
        conf_problem(root, "jobs",
                     "expected a list of at least one job such as "
                     "( { name = \"nightly\"; repository = \"local\"; } )");
    for (size_t i = 0; i < options->job_count; i++) {
        struct conf_group group = conf_item(root, "jobs", i, "job");
        struct job_options *job = &options->jobs[i];

        rows_defaults(job_rows, COUNT(job_rows), job, arena);
        conf_read(&group, job_rows, COUNT(job_rows), job);
        keep_read(&group, &job->keep, arena);
        conf_end(&group);
        job_check(&group, options, job);
        job_pipeline_check(&group, job);
        job_schedule_check(&group, job);
    }
}

static void gateway_check(struct conf_group *root, const char *gateway)
{
    char *why = NULL;
    PQconninfoOption *parsed;

    if (gateway == NULL)
        return;
    parsed = PQconninfoParse(gateway, &why);
    if (parsed == NULL)
        conf_problem(root, "gateway",
                     "expected a connection string such as \"host=127.0.0.1 port=6433 user=backup\"; "
                     "libpq says: %.*s",
                     why == NULL ? 13 : (int)strcspn(why, "\n"), why == NULL ? "out of memory" : why);
    PQconninfoFree(parsed);
    PQfreemem(why);
}

bool options_load(const char *path, struct arena *arena, struct runner_options *options)
{
    struct problems problems;
    struct conf *conf;
    bool ok;

    memset(options, 0, sizeof *options);
    if (!problems_init(&problems))
        return false;
    conf = conf_open(path, arena, &problems);
    if (conf != NULL) {
        struct conf_group root = conf_root(conf);

        rows_defaults(runner_rows, COUNT(runner_rows), options, arena);
        conf_read(&root, runner_rows, COUNT(runner_rows), options);
        gateway_check(&root, options->gateway);
        repositories_read(&root, options, arena);
        jobs_read(&root, options, arena);
        conf_end(&root);
        conf_close(conf);
    }
    problems_print(&problems, stderr);
    ok = problems.count == 0;
    problems_free(&problems);
    return ok;
}

const struct job_options *options_job(const struct runner_options *options, const char *name)
{
    for (size_t i = 0; i < options->job_count; i++)
        if (options->jobs[i].name != NULL && strcmp(options->jobs[i].name, name) == 0)
            return &options->jobs[i];
    return NULL;
}

const struct repository_options *options_repository(const struct runner_options *options, const char *name)
{
    for (size_t i = 0; i < options->repository_count; i++)
        if (options->repositories[i].name != NULL && strcmp(options->repositories[i].name, name) == 0)
            return &options->repositories[i];
    return NULL;
}

const char *kind_name(enum job_kind kind)
{
    return job_kinds[kind].word;
}

const char *format_name(enum dump_format format)
{
    return dump_formats[format].word;
}

const char *level_name(enum verify_level level)
{
    return verify_levels[level].word;
}

bool level_from_name(const char *name, enum verify_level *level)
{
    for (const struct conf_word *word = verify_levels; word->word != NULL; word++)
        if (strcmp(word->word, name) == 0) {
            *level = (enum verify_level)word->value;
            return true;
        }
    return false;
}

static void rows_print(const char *title, const struct conf_row *rows, size_t count)
{
    printf("%s\n", title);
    for (size_t i = 0; i < count; i++) {
        const char *standard = rows[i].fallback == conf_required ? "required"
                               : rows[i].fallback == NULL        ? "none"
                                                                 : rows[i].fallback;

        printf("  %-19s %s [%s]\n", rows[i].name, rows[i].doc, standard);
    }
}

void options_print_manual(void)
{
    rows_print("Keys of the configuration file [default]:", runner_rows, COUNT(runner_rows));
    rows_print("in each group of the list repositories:", repository_rows, COUNT(repository_rows));
    rows_print("in each group of the list jobs:", job_rows, COUNT(job_rows));
    rows_print("in the group keep of a job or repository (without one nothing is deleted):", keep_rows,
               COUNT(keep_rows));
}
