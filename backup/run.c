/* SPDX-License-Identifier: PostgreSQL
 * run - one run of a job, from the locks to the summary. */
#include "backup/run.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "backup/failure.h"
#include "backup/gateway_session.h"
#include "backup/label.h"
#include "backup/logical.h"
#include "backup/manifest.h"
#include "backup/pipeline.h"
#include "backup/prune.h"
#include "backup/report.h"
#include "backup/repository.h"
#include "backup/service.h"
#include "backup/stage.h"
#include "backup/text.h"
#include "backup/tools.h"
#include "backup/tree.h"
#include "backup/verify.h"
#include "backup/version.h"
#include "backup/work.h"
#include "gateway/base/arena.h"
#include "gateway/base/check.h"
#include "gateway/base/random.h"

enum { COPIES_MAX = 16, APPLICATION_BYTES = 64, RUN_ID_BYTES = 9 };

enum copy_state { COPY_WAITING, COPY_DONE, COPY_FAILED };

struct copy {
    struct repository repository;
    enum copy_state state;
    struct fault why;
};

struct run {
    const struct runner_options *options;
    const struct job_options *job;
    struct arena *arena;
    struct work work;
    char run_id[RUN_ID_BYTES], application[APPLICATION_BYTES], label[LABEL_BYTES];
    struct session_target target;
    struct session control;
    struct server_facts server;
    struct service service;
    struct tool dump, dumpall;
    struct pipeline pipeline;
    const char **databases;
    size_t database_count;
    struct copy copies[COPIES_MAX];
    size_t copy_count;
    struct copy *staged; /* the first one that holds the backup */
    bool verified;       /* or nothing was to be proved */
    struct manifest manifest;
};

static void fault_print(const char *what, const struct fault *fault)
{
    text_print(stderr, "%s: %s\n", what, fault->message);
    if (fault->hint[0] != '\0')
        text_print(stderr, "HINT: %s\n", fault->hint);
}

/* One repository's trouble must not keep the others from their backup, as long as one is left. A lock that
 * is held and a stop end the run. */
static bool copy_fail(struct run *run, struct copy *copy, const struct fault *why)
{
    progress_clear(&run->work.progress);
    copy->state = COPY_FAILED;
    copy->why = *why;
    if (pulse_stopping() || failure_of(why) == FAILURE_LOCKED)
        return false;
    fault_print(copy->repository.options->name, why);
    return true;
}

static bool copy_prepare(struct copy *copy, const char *job, struct fault *fault)
{
    int removed = 0;

    if (!repository_open(&copy->repository, copy->repository.options, job, true, fault) ||
        !repository_lock(&copy->repository, fault) || !repository_sweep(&copy->repository, &removed, fault))
        return false;
    if (removed > 0)
        text_print(stderr, "%s: removed %d half-made backup%s of runs that died\n",
                   copy->repository.options->name, removed, removed == 1 ? "" : "s");
    return true;
}

static bool step_repositories(struct run *run, struct fault *fault)
{
    const struct strings *names = &run->job->repository;
    size_t usable = 0;

    run->copy_count = names->count;
    for (size_t i = 0; i < names->count; i++)
        run->copies[i].repository = (struct repository){
            .options = options_repository(run->options, names->items[i]), .job_fd = -1, .lock_fd = -1
        };
    for (size_t i = 0; i < names->count; i++) {
        if (copy_prepare(&run->copies[i], run->job->name, fault))
            usable++;
        else if (!copy_fail(run, &run->copies[i], fault))
            return false;
    }
    return usable > 0; /* the fault is the last repository's */
}

/* The key is there before anything starts. */
static bool step_pipeline(struct run *run, struct fault *fault)
{
    return pipeline_of_job(&run->pipeline, run->job, fault);
}

static bool step_gateway(struct run *run, struct fault *fault)
{
    progress_phase(&run->work.progress, 0, "connecting to the gateway");
    if (!gateway_session_open(&run->control, &run->target, &run->server, run->arena, fault) ||
        !gateway_session_lock(&run->control, run->job->name, run->arena, fault))
        return false;
    progress_done(&run->work.progress, 0);
    return service_open(&run->service, run->control.conn, run->application, fault);
}

static bool step_tools(struct run *run, struct fault *fault)
{
    int major = tools_major((int)run->server.version_number);

    if (run->job->kind == KIND_PHYSICAL)
        return tools_find(run->options->bin_directory, "pg_basebackup", major, run->arena, &run->dump, fault);
    return tools_find(run->options->bin_directory, "pg_dump", major, run->arena, &run->dump, fault) &&
           tools_find(run->options->bin_directory, "pg_dumpall", major, run->arena, &run->dumpall, fault);
}

static bool label_is_taken(const struct run *run)
{
    struct stat stat;

    for (size_t i = 0; i < run->copy_count; i++)
        if (run->copies[i].repository.job_fd >= 0 &&
            fstatat(run->copies[i].repository.job_fd, run->label, &stat, AT_SYMLINK_NOFOLLOW) == 0)
            return true;
    return false;
}

static void manifest_begin(struct run *run, int64_t started)
{
    run->manifest = (struct manifest){
        .label = run->label,
        .job = run->job->name,
        .run_id = run->run_id,
        .kind = kind_name(run->job->kind),
        .format = run->job->kind == KIND_PHYSICAL ? "tar" : format_name(run->job->format),
        .runner_version = runner_version,
        .gateway = run->server.where,
        .server_version = run->server.version,
        .server_version_number = run->server.version_number,
        .system_identifier = run->server.system_identifier,
        .bootstrap_role = run->server.bootstrap_role,
        .standby = run->server.standby,
        .tool_version = run->dump.version,
        .tool_major = run->dump.major,
        .started = started,
        .verify_wanted = level_name(run->job->verify),
    };
    pipeline_note(&run->pipeline, &run->manifest, run->arena);
}

static bool step_databases(struct run *run, struct fault *fault)
{
    char kind = run->job->kind == KIND_PHYSICAL ? LABEL_PHYSICAL : LABEL_LOGICAL;
    int64_t started = (int64_t)time(NULL);

    if (run->job->kind == KIND_LOGICAL) {
        run->databases = logical_databases(&run->control, run->job, &run->database_count, run->arena, fault);
        if (run->databases == NULL)
            return false;
    }
    for (;;) { /* a label tells seconds, and two short runs fit into one */
        label_make(run->label, run->job->name, kind, started);
        if (!label_is_taken(run))
            break;
        poll(NULL, 0, PULSE_MS);
        if (!pulse_beat(&run->work.pulse, fault))
            return false;
        started = (int64_t)time(NULL);
    }
    manifest_begin(run, started);
    return true;
}

static struct stage stage_of(struct run *run, struct logical *logical)
{
    *logical = (struct logical){ .job = run->job,
                                 .pipeline = &run->pipeline,
                                 .target = run->target,
                                 .service = &run->service,
                                 .dump = &run->dump,
                                 .work = &run->work,
                                 .control = &run->control };
    logical->target.database = PQdb(run->control.conn);
    return (struct stage){ .logical = logical,
                           .dumpall = &run->dumpall,
                           .pipeline = &run->pipeline,
                           .manifest = &run->manifest,
                           .databases = run->databases,
                           .database_count = run->database_count,
                           .role_passwords = run->server.reads_passwords,
                           .arena = run->arena };
}

static bool step_stage(struct run *run, struct fault *fault)
{
    struct logical logical;
    struct stage stage = stage_of(run, &logical);

    for (size_t i = 0; i < run->copy_count && run->staged == NULL; i++) {
        struct copy *copy = &run->copies[i];

        if (copy->state == COPY_FAILED)
            continue;
        if (stage_make(&stage, &copy->repository, fault)) {
            copy->state = COPY_DONE;
            run->staged = copy;
        } else if ((failure_of(fault) != FAILURE_DISK_FULL && failure_of(fault) != FAILURE_STORAGE) ||
                   !copy_fail(run, copy, fault))
            return false; /* not the repository's fault, so the next one would fare no better */
    }
    return run->staged != NULL;
}

static bool step_copies(struct run *run, struct fault *fault)
{
    struct logical logical;
    struct stage stage = stage_of(run, &logical);

    for (size_t i = 0; i < run->copy_count; i++) {
        struct copy *copy = &run->copies[i];

        if (copy->state != COPY_WAITING)
            continue;
        progress_phase(&run->work.progress, (uint64_t)run->manifest.stored_bytes, "copying to %s",
                       copy->repository.options->name);
        if (stage_copy(&stage, &run->staged->repository, &copy->repository, fault)) {
            copy->state = COPY_DONE;
            progress_done(&run->work.progress, (uint64_t)run->manifest.stored_bytes);
        } else if (!copy_fail(run, copy, fault))
            return false;
    }
    return true;
}

/* The server is not needed any more; a restore of hours must not hold its connection. */
static void gateway_leave(struct run *run)
{
    service_close(&run->service);
    session_close(&run->control);
}

/* The first copy at the job's level; the others were compared byte by byte when they were made. */
static bool step_verify(struct run *run, struct fault *fault)
{
    struct verify_report report = { verify_print_difference, &run->work.progress };
    bool ok = true;

    gateway_leave(run);
    for (size_t i = 0; ok && run->job->verify != VERIFY_NONE && i < run->copy_count; i++) {
        struct copy *copy = &run->copies[i];
        struct backup_place place = { .repository = copy->repository.options,
                                      .job = run->job->name,
                                      .label = run->label,
                                      .job_fd = copy->repository.job_fd,
                                      .dir_fd = -1 };

        if (copy->state != COPY_DONE)
            continue;
        place.dir_fd = tree_open(place.job_fd, run->label, fault);
        ok = place.dir_fd >= 0 &&
             verify_backup(run->options, &place, copy == run->staged ? run->job->verify : VERIFY_CHECKSUM,
                           &run->work, &report, fault);
        if (place.dir_fd >= 0)
            close(place.dir_fd);
    }
    run->verified = ok;
    return ok;
}

/* Only a run that proved its own backup may delete others. */
static bool step_prune(struct run *run, struct fault *fault)
{
    bool ok = true;

    for (size_t i = 0; ok && i < run->copy_count; i++)
        if (run->copies[i].state == COPY_DONE)
            ok = prune_job(&run->copies[i].repository, run->job, false, false, fault);
    return ok;
}

static bool copies_judge(const struct run *run, struct fault *fault)
{
    for (size_t i = 0; i < run->copy_count; i++) {
        const struct copy *copy = &run->copies[i];

        if (copy->state != COPY_FAILED)
            continue;
        *fault = copy->why;
        snprintf(fault->message, sizeof fault->message,
                 "The backup is safe in \"%s\", but not in \"%s\": %.380s",
                 run->staged->repository.options->name, copy->repository.options->name, copy->why.message);
        return false;
    }
    return true;
}

static void run_summary(const struct run *run)
{
    const char *names[COPIES_MAX + 1] = { NULL };
    size_t count = 0;

    for (size_t i = 0; i < run->copy_count; i++)
        if (run->copies[i].state == COPY_DONE)
            names[count++] = run->copies[i].repository.options->name;
    report_summary(&run->manifest, names, run->verified ? level_name(run->job->verify) : "NO");
}

static const struct {
    const char *name;
    bool (*step)(struct run *run, struct fault *fault);
} steps[] = {
#define STEP(name, what) { #name, step_##name },
#include "backup/steps.def"
#undef STEP
};

static void run_begin(struct run *run, const struct runner_options *options, const struct job_options *job,
                      bool quiet)
{
    unsigned char raw[(RUN_ID_BYTES - 1) / 2];

    memset(run, 0, sizeof *run);
    run->options = options;
    run->job = job;
    run->arena = arena_new();
    CHECK(run->arena != NULL && job->repository.count <= COPIES_MAX);
    run->service.fd = -1;
    work_init(&run->work, quiet);
    random_fill(raw, sizeof raw);
    for (unsigned i = 0; i < sizeof raw; i++)
        snprintf(run->run_id + 2 * i, 3, "%02x", raw[i]);
    snprintf(run->application, sizeof run->application, "pgsluice-backup/%s/%s", job->name, run->run_id);
    run->target = (struct session_target){ .conninfo = options->gateway,
                                           .application = run->application,
                                           .pulse = &run->work.pulse };
}

static void run_end(struct run *run)
{
    work_abandon(&run->work);
    gateway_leave(run);
    for (size_t i = 0; i < run->copy_count; i++)
        repository_close(&run->copies[i].repository);
    pipeline_wipe(&run->pipeline);
    arena_free(run->arena);
}

bool run_job(const struct runner_options *options, const struct job_options *job, bool quiet,
             struct run_result *result, struct fault *fault)
{
    struct run run;
    bool ok = true;

    run_begin(&run, options, job, quiet);
    for (size_t i = 0; ok && i < sizeof steps / sizeof steps[0]; i++)
        ok = steps[i].step(&run, fault);
    progress_clear(&run.work.progress);
    if (run.staged != NULL)
        run_summary(&run);
    *result = (struct run_result){ .bytes = run.manifest.stored_bytes,
                                   .verified = level_name(run.verified ? job->verify : VERIFY_NONE) };
    if (run.staged != NULL)
        memcpy(result->label, run.label, sizeof result->label);
    if (ok)
        ok = copies_judge(&run, fault);
    run_end(&run);
    return ok;
}
