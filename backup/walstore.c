/* SPDX-License-Identifier: PostgreSQL
 * walstore - the WAL of a physical job in a repository: JOB/incoming/ is where pg_receivewal writes, JOB/wal/
 * holds the finished segments and timeline histories, each through the job's pipeline. */
#include "backup/walstore.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/failure.h"
#include "backup/filter.h"
#include "backup/keyring.h"
#include "backup/pipeline.h"
#include "backup/repository.h"
#include "backup/tree.h"
#include "backup/work.h"

enum { SEGMENT = 24, TIMELINE = 8, HISTORY = 16, NAME = SEGMENT + 16 };

static const char temporary[] = ".new";

static int directory_open(const struct repository *repository, const char *name, bool create,
                          struct fault *fault)
{
    if (create && mkdirat(repository->job_fd, name, 0700) != 0 && errno != EEXIST) {
        failure_storage(fault, "make the directory", name);
        return -1;
    }
    return tree_open(repository->job_fd, name, fault);
}

bool walstore_open(struct walstore *store, const struct repository *repository, bool create,
                   struct fault *fault)
{
    *store = (struct walstore){ .wal_fd = -1, .incoming_fd = -1 };
    if (!create && faccessat(repository->job_fd, "wal", F_OK, AT_SYMLINK_NOFOLLOW) != 0)
        return true;
    if (snprintf(store->incoming, sizeof store->incoming, "%s/incoming", repository->path) >=
        (int)sizeof store->incoming)
        return failure_set(fault, FAILURE_STORAGE, "The path of the repository is too long.");
    store->wal_fd = directory_open(repository, "wal", create, fault);
    store->incoming_fd = store->wal_fd < 0 ? -1 : directory_open(repository, "incoming", create, fault);
    if (store->incoming_fd >= 0)
        return true;
    walstore_close(store);
    return false;
}

void walstore_close(struct walstore *store)
{
    if (store->wal_fd >= 0)
        close(store->wal_fd);
    if (store->incoming_fd >= 0)
        close(store->incoming_fd);
    store->wal_fd = store->incoming_fd = -1;
}

bool walstore_lock(struct walstore *store, struct fault *fault)
{
    if (flock(store->wal_fd, LOCK_EX | LOCK_NB) == 0)
        return true;
    if (errno != EWOULDBLOCK)
        return failure_storage(fault, "lock", store->incoming);
    return failure_set(fault, FAILURE_LOCKED, "Another receiver writes to %s already.", store->incoming);
}

static bool is_segment(const char *name, size_t length)
{
    return length == SEGMENT && strspn(name, "0123456789ABCDEF") >= SEGMENT;
}

bool walstore_is_name(const char *name, size_t length)
{
    return is_segment(name, length) ||
           (length == HISTORY && strspn(name, "0123456789ABCDEF") == TIMELINE &&
            strncmp(name + TIMELINE, ".history", HISTORY - TIMELINE) == 0);
}

/* The part of an entry of the store before what the pipeline put behind it; 0 for anything else. */
static size_t stem_length(const char *entry)
{
    size_t length = is_segment(entry, strnlen(entry, SEGMENT)) ? SEGMENT : HISTORY;

    if (strlen(entry) < length || !walstore_is_name(entry, length) ||
        (entry[length] != '\0' && entry[length] != '.') || strstr(entry, temporary) != NULL)
        return 0;
    return length;
}

/* Segments count through all timelines, so only the number behind the timeline tells their age. */
static bool is_older(const char *entry, const char *oldest)
{
    return is_segment(entry, stem_length(entry)) &&
           strncmp(entry + TIMELINE, oldest + TIMELINE, SEGMENT - TIMELINE) < 0;
}

static bool segment_sync(const struct walstore *store, const char *from, const char *to, struct fault *fault)
{
    int fd = openat(store->wal_fd, from, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0 && renameat(store->wal_fd, from, store->wal_fd, to) == 0 &&
              fsync(store->wal_fd) == 0;

    if (!ok)
        failure_storage(fault, "write", to);
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool segment_take(const struct walstore *store, const struct pipeline *pipeline, struct work *work,
                         const char *name, struct fault *fault)
{
    char to[NAME], partial[NAME + 8];
    struct stored stored = { .dir_fd = store->wal_fd, .path = partial };
    int from = openat(store->incoming_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    if (from < 0)
        return failure_storage(fault, "read", name);
    snprintf(to, sizeof to, "%s%s", name, pipeline_suffix(pipeline));
    snprintf(partial, sizeof partial, "%s%s", to, temporary);
    unlinkat(store->wal_fd, partial, 0); /* of a receiver that died here */
    if (!pipeline_pack(pipeline, work, from, &stored, fault) ||
        !pump_finish(&work->pump, &work->pulse, fault) || !segment_sync(store, partial, to, fault)) {
        unlinkat(store->wal_fd, partial, 0);
        return false;
    }
    return unlinkat(store->incoming_fd, name, 0) == 0 || failure_storage(fault, "remove", name);
}

/* Calls visit for each name in order; stops at the first false. */
static bool names_visit(int dir_fd, bool (*visit)(void *context, const char *name, struct fault *fault),
                        void *context, struct fault *fault)
{
    struct dirent **entries;
    int count = scandirat(dir_fd, ".", &entries, NULL, alphasort);
    bool ok = true;

    if (count < 0)
        return failure_storage(fault, "read the directory", "wal");
    for (int i = 0; i < count; i++) {
        ok = ok && visit(context, entries[i]->d_name, fault);
        free(entries[i]);
    }
    free(entries);
    return ok;
}

struct taking {
    const struct walstore *store;
    const struct pipeline *pipeline;
    struct work *work;
    int *count;
};

static bool name_take(void *context, const char *name, struct fault *fault)
{
    struct taking *taking = context;

    if (!walstore_is_name(name, strlen(name)))
        return true;
    if (!segment_take(taking->store, taking->pipeline, taking->work, name, fault))
        return false;
    ++*taking->count;
    return true;
}

bool walstore_take(const struct walstore *store, const struct pipeline *pipeline, struct work *work,
                   int *taken, struct fault *fault)
{
    struct taking taking = { store, pipeline, work, taken };

    *taken = 0;
    return names_visit(store->incoming_fd, name_take, &taking, fault);
}

struct unpacking {
    const struct waltarget *target;
    const struct key_search *search;
    struct work *work;
    int from_fd;
};

static int segment_make(const struct unpacking *unpacking, const char *name, struct fault *fault)
{
    const struct waltarget *target = unpacking->target;
    int fd = openat(target->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd >= 0 && (target->uid == 0 || fchown(fd, target->uid, target->gid) == 0))
        return fd;
    failure_storage(fault, "write", name);
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Of every file its own header tells the key, as keys may have changed between two. */
static bool segment_unpack(const struct unpacking *unpacking, const char *entry, const char *name,
                           struct fault *fault)
{
    struct stored stored = { .dir_fd = unpacking->from_fd, .path = entry };
    struct filter *chain = pipeline_reader_by_name(&stored, unpacking->search,
                                                   &unpacking->work->pump.pulse, fault);
    int fd = chain == NULL ? -1 : segment_make(unpacking, name, fault);

    if (fd < 0) {
        filter_free(chain);
        return false;
    }
    pump_start(&unpacking->work->pump, chain, fd, name);
    return pump_finish(&unpacking->work->pump, &unpacking->work->pulse, fault);
}

static bool stored_unpack(void *context, const char *entry, struct fault *fault)
{
    const struct unpacking *unpacking = context;
    char name[NAME];
    size_t length = stem_length(entry);

    if (length == 0 || is_older(entry, unpacking->target->oldest))
        return true;
    snprintf(name, sizeof name, "%.*s", (int)length, entry);
    return segment_unpack(unpacking, entry, name, fault);
}

/* What was received last: whole segments that were not taken yet, and the one that is being written. */
static bool incoming_unpack(void *context, const char *entry, struct fault *fault)
{
    const struct unpacking *unpacking = context;
    char name[NAME];
    size_t length = stem_length(entry);

    if (length == 0 || is_older(entry, unpacking->target->oldest))
        return true;
    snprintf(name, sizeof name, "%.*s", (int)length, entry);
    if (faccessat(unpacking->target->fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return true;
    return segment_unpack(unpacking, entry, name, fault);
}

bool walstore_unpack(const struct walstore *store, const struct waltarget *target,
                     const struct key_search *search, struct work *work, struct fault *fault)
{
    struct unpacking unpacking = { target, search, work, store->wal_fd };

    if (!names_visit(store->wal_fd, stored_unpack, &unpacking, fault))
        return false;
    unpacking.from_fd = store->incoming_fd;
    return names_visit(store->incoming_fd, incoming_unpack, &unpacking, fault);
}

struct pruning {
    const struct walstore *store;
    const char *oldest;
    bool dry;
    int *count;
};

static bool name_prune(void *context, const char *entry, struct fault *fault)
{
    const struct pruning *pruning = context;

    if (!is_older(entry, pruning->oldest))
        return true;
    ++*pruning->count;
    return pruning->dry || unlinkat(pruning->store->wal_fd, entry, 0) == 0 ||
           failure_storage(fault, "remove", entry);
}

bool walstore_prune(const struct walstore *store, const char *oldest, bool dry, int *removed,
                    struct fault *fault)
{
    struct pruning pruning = { store, oldest, dry, removed };

    *removed = 0;
    return names_visit(store->wal_fd, name_prune, &pruning, fault);
}
