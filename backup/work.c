/* SPDX-License-Identifier: PostgreSQL
 * work - one of PostgreSQL's programs at work under a progress bar: the pulse of runs, verifications and
 * restores. */
#include "backup/work.h"

#include <string.h>

#include "backup/tree.h"

static bool child_explain(struct work *work, struct fault *fault)
{
    work->watched = false;
    return failure_explain(fault, work->otherwise, work->child.name, work->child.text);
}

static bool work_beat(void *context, struct fault *fault)
{
    struct work *work = context;

    if (!child_running(&work->child) && work->watched && !child_succeeded(&work->child))
        return child_explain(work, fault);
    if (!pump_check(&work->pump, fault))
        return false;
    if (work->measure != NULL && progress_is_due(&work->progress))
        progress_show(&work->progress, work->measure(work->measure_context));
    return true;
}

static uint64_t tree_measure(void *context)
{
    const struct work *work = context;
    uint64_t bytes = tree_bytes(work->measured_fd);

    return bytes > work->measured_base ? bytes - work->measured_base : 0;
}

void work_measure_tree(struct work *work, int directory_fd)
{
    work->measured_fd = directory_fd;
    work->measured_base = directory_fd < 0 ? 0 : tree_bytes(directory_fd);
    work->measure = directory_fd < 0 ? NULL : tree_measure;
    work->measure_context = work;
}

void work_init(struct work *work, bool quiet)
{
    memset(work, 0, sizeof *work);
    work->pulse = (struct pulse){ work_beat, work };
    work->measured_fd = -1;
    pump_init(&work->pump);
    progress_init(&work->progress, quiet);
}

bool work_start(struct work *work, const struct command *command, enum failure otherwise,
                struct fault *fault)
{
    work->otherwise = otherwise;
    work->watched = child_start(&work->child, command, fault);
    return work->watched;
}

bool work_finish(struct work *work, struct fault *fault)
{
    bool ok = child_wait(&work->child, &work->pulse, fault);

    if (ok && !child_succeeded(&work->child))
        ok = child_explain(work, fault);
    work->watched = false;
    if (ok)
        return pump_finish(&work->pump, &work->pulse, fault);
    pump_end(&work->pump);
    return false;
}

bool work_run(struct work *work, const struct command *command, enum failure otherwise, struct fault *fault)
{
    return work_start(work, command, otherwise, fault) && work_finish(work, fault);
}

void work_abandon(struct work *work)
{
    work->watched = false;
    child_end(&work->child, 0);
    pump_end(&work->pump);
    progress_clear(&work->progress);
}
