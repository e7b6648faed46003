/* SPDX-License-Identifier: PostgreSQL
 * checkup - everything that a run needs, tried beforehand: repositories, gateway, programs. */
#include "backup/checkup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "backup/durable.h"
#include "backup/failure.h"
#include "backup/gateway_session.h"
#include "backup/logical.h"
#include "backup/options.h"
#include "backup/pulse.h"
#include "backup/text.h"
#include "backup/tools.h"
#include "gateway/base/arena.h"
#include "gateway/base/check.h"

struct checkup {
    const struct runner_options *options;
    struct arena *arena;
    int failed;
};

static void outcome(struct checkup *checkup, bool ok, const char *what, const char *good,
                    const struct fault *fault)
{
    text_print(stdout, "%-6s %s: %s\n", ok ? "ok" : "FAIL", what, ok ? good : fault->message);
    if (ok)
        return;
    if (fault->hint[0] != '\0')
        text_print(stdout, "       HINT: %s\n", fault->hint);
    checkup->failed++;
}

static bool writing_try(const char *path, struct fault *fault)
{
    static const char name[] = "pgsluice-check";
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = false;

    if (fd < 0)
        return failure_storage(fault, "open the repository", path);
    if (durable_write(fd, name, "", 0, fault))
        ok = unlinkat(fd, name, 0) == 0 || failure_storage(fault, "remove a file in", path);
    close(fd);
    return ok;
}

static bool repository_try(const struct repository_options *repository, char free_text[TEXT_SHORT],
                           struct fault *fault)
{
    struct statvfs space;

    if (mkdir(repository->path, 0700) != 0 && errno != EEXIST)
        return failure_storage(fault, "make the repository", repository->path);
    if (!writing_try(repository->path, fault))
        return false;
    if (statvfs(repository->path, &space) != 0)
        return failure_storage(fault, "ask for the free space of", repository->path);
    text_size(free_text, (uint64_t)space.f_bavail * space.f_frsize);
    return true;
}

static void repositories_check(struct checkup *checkup)
{
    for (size_t i = 0; i < checkup->options->repository_count; i++) {
        const struct repository_options *repository = &checkup->options->repositories[i];
        char free_text[TEXT_SHORT] = "";
        struct fault fault;
        bool ok = repository_try(repository, free_text, &fault);

        outcome(checkup, ok, arena_format(checkup->arena, "repository %s", repository->name),
                arena_format(checkup->arena, "%s is writable, %s free", repository->path, free_text),
                &fault);
    }
}

static void tools_check(struct checkup *checkup, int major)
{
    static const char *const programs[] = { "pg_dump", "pg_dumpall", "pg_restore", "psql", "pg_basebackup" };
    const char *good = "";
    struct tool tool;
    struct fault fault;
    bool ok = true;

    for (unsigned i = 0; ok && i < sizeof programs / sizeof programs[0]; i++) {
        ok = tools_find(checkup->options->bin_directory, programs[i], major, checkup->arena, &tool, &fault);
        if (ok && i == 0)
            good = arena_format(checkup->arena, "%s is version %s", tool.path, tool.version);
    }
    outcome(checkup, ok, "programs", good, &fault);
    for (size_t i = 0; i < checkup->options->job_count; i++) {
        const struct job_options *job = &checkup->options->jobs[i];

        if (job->verify < VERIFY_RESTORE)
            continue;
        ok = tools_find(checkup->options->bin_directory, "initdb", major, checkup->arena, &tool, &fault);
        outcome(checkup, ok, arena_format(checkup->arena, "verification of job %s", job->name),
                ok ? arena_format(checkup->arena, "scratch servers by %s", tool.path) : "", &fault);
    }
}

static void databases_check(struct checkup *checkup, struct session *session)
{
    for (size_t i = 0; i < checkup->options->job_count; i++) {
        const struct job_options *job = &checkup->options->jobs[i];
        struct fault fault;
        size_t count;
        bool ok;

        if (job->kind == KIND_PHYSICAL)
            continue;
        ok = logical_databases(session, job, &count, checkup->arena, &fault) != NULL;

        outcome(checkup, ok, arena_format(checkup->arena, "job %s", job->name),
                arena_format(checkup->arena, "%zu database%s", count, count == 1 ? "" : "s"), &fault);
    }
}

static void gateway_check(struct checkup *checkup)
{
    struct pulse pulse = { NULL, NULL };
    struct session_target target = { .conninfo = checkup->options->gateway,
                                     .application = "pgsluice-backup/check",
                                     .pulse = &pulse };
    struct server_facts facts = { .where = "" };
    struct session session;
    struct fault fault;
    bool ok = gateway_session_open(&session, &target, &facts, checkup->arena, &fault);

    outcome(checkup, ok, "gateway",
            arena_format(checkup->arena, "%s gives sessions of their own, PostgreSQL %s%s", facts.where,
                         ok ? facts.version : "", ok && facts.standby ? " (standby)" : ""),
            &fault);
    if (!ok)
        return;
    tools_check(checkup, tools_major((int)facts.version_number));
    databases_check(checkup, &session);
    session_close(&session);
}

bool checkup_run(const struct runner_options *options, struct fault *fault)
{
    struct checkup checkup = { .options = options, .arena = arena_new() };

    CHECK(checkup.arena != NULL);
    text_print(stdout, "%-6s configuration: %zu repositor%s, %zu job%s\n", "ok", options->repository_count,
               options->repository_count == 1 ? "y" : "ies", options->job_count,
               options->job_count == 1 ? "" : "s");
    repositories_check(&checkup);
    gateway_check(&checkup);
    if (checkup.failed > 0)
        failure_set(fault, FAILURE_OTHER, "%d of the checks failed.", checkup.failed);
    arena_free(checkup.arena);
    return checkup.failed == 0;
}
