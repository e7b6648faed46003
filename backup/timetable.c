/* SPDX-License-Identifier: PostgreSQL
 * timetable - the due time that a job began or gave up last, kept as schedule.json in the job's directory
 * of its first repository that can be used. */
#include "backup/timetable.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backup/durable.h"
#include "backup/options.h"
#include "backup/repository.h"
#include "backup/smallfile.h"
#include "gateway/base/fault.h"

static const char name[] = "schedule.json";

static bool place_open(const struct runner_options *options, const struct job_options *job,
                       struct repository *repository, struct fault *fault)
{
    for (size_t i = 0; i < job->repository.count; i++)
        if (repository_open(repository, options_repository(options, job->repository.items[i]), job->name,
                            true, fault))
            return true;
    return false;
}

/* A damaged file counts as none: the job then waits for its next time. */
static int64_t number_read(int job_fd)
{
    struct fault ignored;
    size_t length;
    char *text = faccessat(job_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0
                     ? smallfile_read(job_fd, name, &length, &ignored)
                     : NULL;
    json_t *object = text == NULL ? NULL : json_loadb(text, length, 0, NULL);
    int64_t number = json_integer_value(json_object_get(object, "last_due"));

    free(text);
    json_decref(object);
    return number < 0 ? 0 : number;
}

bool timetable_read(const struct runner_options *options, const struct job_options *job, int64_t *last_due,
                    struct fault *fault)
{
    struct repository repository;

    if (!place_open(options, job, &repository, fault))
        return false;
    *last_due = number_read(repository.job_fd);
    repository_close(&repository);
    return true;
}

bool timetable_write(const struct runner_options *options, const struct job_options *job, int64_t last_due,
                     struct fault *fault)
{
    struct repository repository;
    char text[64];
    bool ok;

    if (!place_open(options, job, &repository, fault))
        return false;
    snprintf(text, sizeof text, "{\"last_due\": %" PRId64 "}\n", last_due);
    ok = durable_write(repository.job_fd, name, text, strlen(text), fault);
    repository_close(&repository);
    return ok;
}
