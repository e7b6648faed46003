/* SPDX-License-Identifier: PostgreSQL
 * relocate - a physical backup into a fresh data directory, ready to be started. */
#include "backup/relocate.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/base.h"
#include "backup/content.h"
#include "backup/durable.h"
#include "backup/failure.h"
#include "backup/scratch.h"
#include "backup/tree.h"
#include "backup/work.h"

static bool directory_is_empty(int fd)
{
    DIR *directory = fdopendir(fcntl(fd, F_DUPFD_CLOEXEC, 0));
    struct dirent *item;
    int count = 0;

    if (directory == NULL)
        return false;
    while ((item = readdir(directory)) != NULL)
        count += strcmp(item->d_name, ".") != 0 && strcmp(item->d_name, "..") != 0;
    closedir(directory);
    return count == 0;
}

/* Its descriptor; -1 with the fault set when it is not fit for a cluster. */
static int target_open(const char *directory, uid_t uid, gid_t gid, struct fault *fault)
{
    int fd;

    if (mkdir(directory, 0700) != 0 && errno != EEXIST) {
        failure_storage(fault, "make the directory", directory);
        return -1;
    }
    fd = tree_open(AT_FDCWD, directory, fault);
    if (fd < 0)
        return -1;
    if (!directory_is_empty(fd)) {
        failure_set(fault, FAILURE_RESTORE, "The directory \"%s\" is not empty.", directory);
        fault_hint(fault, "Name one that does not exist; nothing is ever overwritten.");
    } else if ((uid != 0 && fchown(fd, uid, gid) != 0) || fchmod(fd, 0700) != 0)
        failure_storage(fault, "change the owner and mode of", directory);
    else
        return fd;
    close(fd);
    return -1;
}

static bool entry_drop(void *context, const struct tree_entry *entry, struct fault *fault)
{
    (void)context;
    (void)fault;
    unlinkat(entry->dir_fd, entry->name, S_ISDIR(entry->stat.st_mode) ? AT_REMOVEDIR : 0);
    return true;
}

bool relocate_run(const struct subject *subject, const char *directory, struct fault *fault)
{
    struct fault ignored;
    char absolute[PATH_MAX];
    uid_t uid;
    gid_t gid;
    int fd;
    bool ok;

    if (!scratch_identity(subject->options, &uid, &gid, fault))
        return false;
    fd = target_open(directory, uid, gid, fault);
    if (fd < 0)
        return false;
    ok = realpath(directory, absolute) != NULL || failure_storage(fault, "find", directory);
    ok = ok && base_unpack(subject, absolute, uid, gid, fault) && base_check(subject, absolute, fault);
    if (ok) {
        progress_phase(&subject->work->progress, 0, "syncing the files");
        ok = durable_sync_tree(fd, fault);
    }
    if (!ok)
        tree_walk(fd, entry_drop, NULL, &ignored);
    close(fd);
    return ok;
}
