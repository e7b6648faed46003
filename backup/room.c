/* SPDX-License-Identifier: PostgreSQL
 * room - a full disk foreseen: whether a repository has room for one more backup like the last one. */
#include "backup/room.h"

#include <stdint.h>
#include <sys/statvfs.h>

#include "backup/failure.h"
#include "backup/fresh.h"
#include "backup/repository.h"
#include "backup/text.h"

bool room_check(const struct repository *repository, const char *job, struct fault *fault)
{
    uint64_t needed = (uint64_t)fresh_last_bytes(repository->options, job), room;
    char last[TEXT_SHORT], left[TEXT_SHORT];
    struct statvfs space;

    if (fstatvfs(repository->job_fd, &space) != 0)
        return failure_storage(fault, "ask for the free space of", repository->path);
    room = (uint64_t)space.f_bavail * space.f_frsize;
    if (room >= needed + needed / 10)
        return true;
    failure_set(fault, FAILURE_DISK_FULL,
                "There is not enough room in \"%s\": the last backup took %s, and %s are free.",
                repository->options->name, text_size(last, needed), text_size(left, room));
    return fault_hint(fault, "Free some space; pgsluice-backup prune deletes what no rule of keep holds.");
}
