/* SPDX-License-Identifier: PostgreSQL
 * serve - starts the jobs of the configuration when their schedules say so, each run in a process of its
 * own; and tells the coming ones. */
#include "backup/serve.h"

#include <inttypes.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "backup/child.h"
#include "backup/failure.h"
#include "backup/options.h"
#include "backup/pulse.h"
#include "backup/text.h"
#include "backup/timetable.h"
#include "backup/zone.h"
#include "gateway/base/arena.h"
#include "gateway/base/check.h"

enum { COMING = 10, RETRY_SECONDS = 60, WHEN = 48 };

/* One job that has a schedule. */
struct timer {
    const struct job_options *job;
    struct child child;
    int64_t last_due, began, retry_at; /* retry_at: 0 = no retry is waiting */
    int tries;                         /* failed ones since last_due */
    bool receives;                     /* its WAL, all the time, instead of runs */
};

struct serve {
    const struct runner_options *options;
    const char *config, *program;
    struct arena *arena;
    struct timer *timers;
    size_t count;
};

/* In the job's own zone. Returns `to`. */
static char *when_text(char to[WHEN], const struct job_options *job, int64_t time)
{
    struct tm local;

    zone_local(job->time_zone, time, &local);
    CHECK(strftime(to, WHEN, "%Y-%m-%d %H:%M:%S %Z", &local) > 0);
    return to;
}

/* What the program has said in whole lines so far; all of it once it has ended. */
static void lines_print(struct timer *timer)
{
    struct child *child = &timer->child;
    char *end = child->used == 0 ? NULL : memrchr(child->text, '\n', child->used);
    size_t length = child->pid == 0 ? child->used : end == NULL ? 0 : (size_t)(end - child->text) + 1;
    size_t start = 0;

    for (size_t i = 0; i <= length; i++)
        if (i == length || child->text[i] == '\n') {
            if (i > start)
                text_print(stdout, "%s: %.*s\n", timer->job->name, (int)(i - start), child->text + start);
            start = i + 1;
        }
    memmove(child->text, child->text + length, child->used - length);
    child->used -= length;
    child->text[child->used] = '\0';
}

static void timer_load(struct serve *serve, struct timer *timer, const struct job_options *job)
{
    char when[WHEN];
    struct fault fault;
    int64_t next;

    timer->job = job;
    timer->child.text_fd = -1;
    if (!timetable_read(serve->options, job, &timer->last_due, &fault))
        text_print(stdout, "%s: what was begun last is not known: %s\n", job->name, fault.message);
    next = schedule_next(&job->plan, timer->last_due == 0 ? (int64_t)time(NULL) : timer->last_due);
    text_print(stdout, "%s: next run %s\n", job->name,
               next < 0 ? "never" : when_text(when, job, schedule_start(&job->plan, next)));
}

/* The key's variable is handed on, because a child gets no others. */
static void run_start(struct serve *serve, struct timer *timer, int64_t now)
{
    const struct job_options *job = timer->job;
    const char *key = job->encrypt_key_env == NULL ? NULL : getenv(job->encrypt_key_env);
    const char *env[] = {
        key == NULL ? NULL : arena_format(serve->arena, "%s=%s", job->encrypt_key_env, key), NULL
    };
    const char *argv[] = { serve->program,  timer->receives ? "wal" : "run", job->name, "--config",
                           serve->config, timer->receives ? NULL : "--quiet", NULL };
    struct command command = { .path = serve->program, .argv = argv, .env = env, .keep_fd = -1 };
    char when[WHEN];
    struct fault fault;

    timer->began = now;
    timer->retry_at = 0;
    if (!child_start(&timer->child, &command, &fault))
        text_print(stdout, "%s: cannot begin: %s\n", job->name, fault.message);
    else if (!timer->receives)
        text_print(stdout, "%s: begins, due %s%s\n", job->name, when_text(when, job, timer->last_due),
                   timer->tries > 0 ? ", once more" : "");
}

/* Worth another try: no connection given, lost or reached, a lock or a cancelled statement. Not: a run of
 * somebody else, who is making this very backup. */
static bool is_retried(int code)
{
    return code == 11 || code == 20 || code == 23 || code == 24;
}

static void run_judge(struct timer *timer, int64_t now)
{
    int code = WIFEXITED(timer->child.status) ? WEXITSTATUS(timer->child.status) : -1;
    char duration[TEXT_SHORT];

    if (code < 0)
        text_print(stdout, "%s: killed by signal %d\n", timer->job->name, WTERMSIG(timer->child.status));
    text_print(stdout, "%s: %s after %s, exit code %d\n", timer->job->name, code == 0 ? "done" : "FAILED",
               text_duration(duration, (uint64_t)(now > timer->began ? now - timer->began : 0) * 1000000),
               code);
    if (!is_retried(code) || timer->tries >= timer->job->retries)
        return;
    timer->retry_at = now + ((int64_t)RETRY_SECONDS << timer->tries++);
    text_print(stdout, "%s: try %d of %d in %" PRId64 " s\n", timer->job->name, timer->tries,
               timer->job->retries, timer->retry_at - now);
}

/* What is begun is written down before it begins: a run that takes the machine with it is not begun again
 * and again. False when a runner on another machine was faster. */
static bool due_claim(struct serve *serve, struct timer *timer)
{
    struct fault fault;
    int64_t claimed;

    if (timetable_read(serve->options, timer->job, &claimed, &fault) && claimed >= timer->last_due &&
        claimed <= (int64_t)time(NULL))
        return false;
    if (!timetable_write(serve->options, timer->job, timer->last_due, &fault))
        text_print(stdout, "%s: cannot write down what is begun: %s\n", timer->job->name, fault.message);
    return true;
}

static void timer_look(struct serve *serve, struct timer *timer, int64_t now)
{
    int64_t before = timer->last_due;
    bool runs = timer->child.pid != 0, begin;

    if (runs && child_running(&timer->child)) {
        lines_print(timer);
        return;
    }
    if (runs) {
        lines_print(timer);
        run_judge(timer, now);
    }
    if (timer->receives) {
        if (runs)
            timer->retry_at = now + RETRY_SECONDS;
        else if (timer->retry_at <= now)
            run_start(serve, timer, now);
        return;
    }
    begin = schedule_step(&timer->job->plan, &timer->last_due, now);
    if (timer->last_due != before && !due_claim(serve, timer))
        begin = false;
    if (begin)
        timer->tries = 0;
    if (begin || (timer->retry_at != 0 && timer->retry_at <= now))
        run_start(serve, timer, now);
}

static bool timers_load(struct serve *serve, struct fault *fault)
{
    serve->timers = arena_alloc(serve->arena, (2 * serve->options->job_count + 1) * sizeof *serve->timers);
    for (size_t i = 0; i < serve->options->job_count; i++) {
        const struct job_options *job = &serve->options->jobs[i];

        if (job->schedule != NULL)
            timer_load(serve, &serve->timers[serve->count++], job);
        if (job->wal)
            serve->timers[serve->count++] =
                (struct timer){ .job = job, .child = { .text_fd = -1 }, .receives = true };
    }
    return serve->count > 0 ||
           failure_set(fault, FAILURE_CONFIG, "No job of the configuration has a schedule.");
}

static bool program_find(struct serve *serve, struct fault *fault)
{
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);

    if (length < 0)
        return failure_storage(fault, "find", "/proc/self/exe");
    serve->program = arena_copy(serve->arena, path, (size_t)length);
    return true;
}

bool serve_run(const struct runner_options *options, const char *config, struct fault *fault)
{
    struct serve serve = { .options = options, .config = config, .arena = arena_new() };
    bool ok;

    CHECK(serve.arena != NULL);
    setvbuf(stdout, NULL, _IOLBF, 0);
    ok = program_find(&serve, fault) && timers_load(&serve, fault);
    while (ok && !pulse_stopping()) {
        for (size_t i = 0; i < serve.count; i++)
            timer_look(&serve, &serve.timers[i], (int64_t)time(NULL));
        poll(NULL, 0, PULSE_MS);
    }
    for (size_t i = 0; i < serve.count; i++) {
        child_end(&serve.timers[i].child, 0);
        lines_print(&serve.timers[i]);
    }
    arena_free(serve.arena);
    return ok;
}

struct coming {
    const struct job_options *job;
    int64_t due, start;
};

static int coming_order(const void *a, const void *b)
{
    const struct coming *left = a, *right = b;

    return left->start == right->start ? strcmp(left->job->name, right->job->name)
           : left->start < right->start ? -1
                                        : 1;
}

static void coming_print(const struct coming *coming, json_t *array)
{
    char when[WHEN], utc[TEXT_SHORT];

    if (array != NULL)
        json_array_append_new(array, json_pack("{s:s, s:I, s:I}", "job", coming->job->name, "due",
                                               (json_int_t)coming->due, "start",
                                               (json_int_t)coming->start));
    else
        text_print(stdout, "%-26s %-22s %-16s %s\n", when_text(when, coming->job, coming->start),
                   text_time(utc, coming->start), coming->job->name, coming->job->schedule);
}

/* Ten of each job are enough for the first ten of all. */
bool serve_next(const struct runner_options *options, bool json, struct fault *fault)
{
    struct coming *all = calloc(options->job_count * COMING + 1, sizeof *all);
    json_t *array = json ? json_array() : NULL;
    int64_t now = (int64_t)time(NULL);
    size_t count = 0;

    CHECK(all != NULL);
    for (size_t i = 0; i < options->job_count; i++) {
        const struct job_options *job = &options->jobs[i];
        int64_t due = job->schedule == NULL ? -1 : schedule_next(&job->plan, now);

        for (int k = 0; k < COMING && due >= 0; k++, due = schedule_next(&job->plan, due))
            all[count++] = (struct coming){ job, due, schedule_start(&job->plan, due) };
    }
    qsort(all, count, sizeof *all, coming_order);
    for (size_t i = 0; i < count && i < COMING; i++)
        coming_print(&all[i], array);
    if (json) {
        char *text = json_dumps(array, JSON_INDENT(1));

        CHECK(text != NULL);
        puts(text);
        free(text);
    }
    json_decref(array);
    free(all);
    return count > 0 || failure_set(fault, FAILURE_CONFIG, "No job of the configuration has a schedule.");
}
