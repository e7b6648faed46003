/* SPDX-License-Identifier: PostgreSQL
 * hook - what surrounds a run: the operator's commands before it, after it and after a failure, and one line
 * of JSON in the log of runs. */
#include "backup/hook.h"

#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "backup/child.h"
#include "backup/failure.h"
#include "backup/options.h"
#include "backup/run.h"
#include "backup/text.h"
#include "gateway/base/arena.h"
#include "gateway/base/check.h"

struct hook {
    const struct job_options *job;
    const char *event; /* "before", "after", "failure" */
    const struct run_result *result;
    const char *message; /* of the failure, or "" */
    int code;
};

/* The command inherits no other variables than these and the few that every program gets. */
static bool command_perform(const struct hook *hook, const char *line, struct fault *fault)
{
    struct arena *arena = arena_new();
    const char *argv[] = { "/bin/sh", "-c", line, NULL };
    const char *env[] = {
        arena_format(arena, "PGSLUICE_EVENT=%s", hook->event),
        arena_format(arena, "PGSLUICE_JOB=%s", hook->job->name),
        arena_format(arena, "PGSLUICE_LABEL=%s", hook->result->label),
        arena_format(arena, "PGSLUICE_EXIT_CODE=%d", hook->code),
        arena_format(arena, "PGSLUICE_MESSAGE=%s", hook->message),
        arena_format(arena, "PGSLUICE_BYTES=%" PRId64, hook->result->bytes),
        arena_format(arena, "PGSLUICE_VERIFIED=%s", hook->result->verified),
        NULL,
    };
    struct command command = { .path = argv[0], .argv = argv, .env = env, .keep_fd = -1 };
    struct child child;
    bool ok = child_start(&child, &command, fault) && child_wait(&child, NULL, fault);

    if (ok && !child_succeeded(&child))
        ok = failure_set(fault, FAILURE_HOOK, "hook_%s failed: %.400s", hook->event,
                         child.text[0] == '\0' ? line : child.text);
    arena_free(arena);
    return ok;
}

static void command_try(const struct hook *hook, const char *line)
{
    struct fault fault;

    if (line != NULL && !command_perform(hook, line, &fault))
        text_print(stderr, "note: %s\n", fault.message);
}

/* One write, so that lines of two runners do not mix. */
static bool line_append(const char *path, const char *line)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    size_t length = strlen(line);
    bool ok = fd >= 0 && write(fd, line, length) == (ssize_t)length;

    if (fd >= 0)
        close(fd);
    return ok;
}

static void log_write(const struct runner_options *options, const struct hook *hook, int64_t began)
{
    json_t *object =
        json_pack("{s:I, s:I, s:s, s:s, s:i, s:s, s:I, s:s}", "began", (json_int_t)began, "ended",
                  (json_int_t)time(NULL), "job", hook->job->name, "label", hook->result->label, "exit_code",
                  hook->code, "message", hook->message, "stored_bytes", (json_int_t)hook->result->bytes,
                  "verified", hook->result->verified);
    char *text = object == NULL ? NULL : json_dumps(object, JSON_COMPACT), *line = NULL;
    struct fault fault;

    if (options->run_log == NULL)
        line = NULL;
    else if (text == NULL || asprintf(&line, "%s\n", text) < 0 || !line_append(options->run_log, line)) {
        failure_storage(&fault, "write the log of runs", options->run_log);
        text_print(stderr, "note: %s\n", fault.message);
    }
    free(line);
    free(text);
    json_decref(object);
}

bool hook_run(const struct runner_options *options, const struct job_options *job, bool quiet,
              struct fault *fault)
{
    struct run_result result = { .label = "", .verified = "none" };
    struct hook hook = { job, "before", &result, "", 0 };
    int64_t began = (int64_t)time(NULL);
    bool ok = job->hook_before == NULL || command_perform(&hook, job->hook_before, fault);

    ok = ok && run_job(options, job, quiet, &result, fault);
    hook.event = ok ? "after" : "failure";
    hook.code = ok ? 0 : failure_exit_code(fault);
    hook.message = ok ? "" : fault->message;
    log_write(options, &hook, began);
    command_try(&hook, ok ? job->hook_after : job->hook_failure);
    return ok;
}
