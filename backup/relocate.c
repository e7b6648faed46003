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
#include "backup/keyring.h"
#include "backup/manifest.h"
#include "backup/repository.h"
#include "backup/scratch.h"
#include "backup/tree.h"
#include "backup/walstore.h"
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

/* All of it: PostgreSQL then needs neither the repository nor a key. */
static bool wal_unpack(const struct subject *subject, const struct relocation *relocation,
                       struct waltarget *target, struct fault *fault)
{
    struct key_search search = { .options = subject->options, .file = relocation->key_file };
    struct repository repository;
    struct walstore store;
    bool ok;

    if (!repository_open(&repository, relocation->repository, subject->manifest->job, false, fault))
        return false;
    ok = walstore_open(&store, &repository, false, fault);
    if (ok && store.wal_fd < 0)
        ok = failure_set(fault, FAILURE_RESTORE, "No WAL of job \"%s\" was received into repository \"%s\".",
                         subject->manifest->job, relocation->repository->name);
    progress_phase(&subject->work->progress, 0, "unpacking the WAL");
    ok = ok && walstore_unpack(&store, target, &search, subject->work, fault);
    if (ok)
        progress_done(&subject->work->progress, 0);
    walstore_close(&store);
    repository_close(&repository);
    return ok;
}

static bool recovery_prepare(const struct subject *subject, const struct relocation *relocation, int data_fd,
                             struct fault *fault)
{
    struct waltarget target = { .oldest = subject->manifest->wal_start,
                                .fd = tree_open(data_fd, "pg_wal", fault) };
    bool ok;

    if (target.fd < 0)
        return false;
    ok = scratch_identity(subject->options, &target.uid, &target.gid, fault) &&
         wal_unpack(subject, relocation, &target, fault) &&
         recovery_write(&relocation->recovery, data_fd, target.uid, target.gid, fault);
    close(target.fd);
    return ok;
}

bool relocate_run(const struct subject *subject, const struct relocation *relocation, struct fault *fault)
{
    const char *directory = relocation->directory;
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
    if (ok && relocation->recovery.kind != RECOVERY_NONE)
        ok = recovery_prepare(subject, relocation, fd, fault);
    if (ok) {
        progress_phase(&subject->work->progress, 0, "syncing the files");
        ok = durable_sync_tree(fd, fault);
    }
    if (!ok)
        tree_walk(fd, entry_drop, NULL, &ignored);
    close(fd);
    return ok;
}
