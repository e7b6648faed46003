/* SPDX-License-Identifier: PostgreSQL
 * repository - a local directory of backups: REPOSITORY/JOB/LABEL/, made as LABEL.partial and renamed when
 * whole. */
#include "backup/repository.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "backup/durable.h"
#include "backup/failure.h"
#include "backup/label.h"
#include "backup/options.h"
#include "backup/tree.h"
#include "gateway/base/arena.h"

static const char partial_suffix[] = ".partial";

/* The operator's own path may be a symbolic link; nothing below it may. */
static int root_open(const struct repository_options *options, bool create, struct fault *fault)
{
    int fd;

    if (create && mkdir(options->path, 0700) != 0 && errno != EEXIST) {
        failure_storage(fault, "make the repository", options->path);
        return -1;
    }
    fd = open(options->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        failure_storage(fault, "open the repository", options->path);
    return fd;
}

static bool job_directory_open(struct repository *repository, int root_fd, const char *job, bool create,
                               struct fault *fault)
{
    char root[PATH_MAX];

    if (create && mkdirat(root_fd, job, 0700) != 0 && errno != EEXIST)
        return failure_storage(fault, "make the directory of the job", job);
    repository->job_fd = tree_open(root_fd, job, fault);
    if (repository->job_fd < 0)
        return false;
    if (realpath(repository->options->path, root) == NULL)
        return failure_storage(fault, "find", repository->options->path);
    if (snprintf(repository->path, sizeof repository->path, "%s/%s", root, job) >=
        (int)sizeof repository->path)
        return failure_set(fault, FAILURE_STORAGE, "The path of repository \"%s\" is too long.",
                           repository->options->name);
    return true;
}

bool repository_open(struct repository *repository, const struct repository_options *options,
                     const char *job, bool create, struct fault *fault)
{
    int root_fd = root_open(options, create, fault);
    bool ok;

    *repository = (struct repository){ .options = options, .job_fd = -1, .lock_fd = -1 };
    if (root_fd < 0)
        return false;
    ok = job_directory_open(repository, root_fd, job, create, fault);
    close(root_fd);
    if (!ok)
        repository_close(repository);
    return ok;
}

void repository_close(struct repository *repository)
{
    if (repository->lock_fd >= 0)
        close(repository->lock_fd);
    if (repository->job_fd >= 0)
        close(repository->job_fd);
    repository->lock_fd = repository->job_fd = -1;
}

static int lock_open(int job_fd, int flags)
{
    return openat(job_fd, "lock", flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
}

bool repository_lock(struct repository *repository, struct fault *fault)
{
    char holder[32] = "";
    int fd = lock_open(repository->job_fd, O_RDWR | O_CREAT);
    ssize_t length;

    if (fd < 0)
        return failure_storage(fault, "open the lock in", repository->path);
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
        length = snprintf(holder, sizeof holder, "%d\n", (int)getpid());
        if (ftruncate(fd, 0) == 0 && pwrite(fd, holder, (size_t)length, 0) == length) {
            repository->lock_fd = fd;
            return true;
        }
        failure_storage(fault, "write the lock in", repository->path);
    } else if (errno == EWOULDBLOCK) {
        length = pread(fd, holder, sizeof holder - 1, 0);
        failure_set(fault, FAILURE_LOCKED, "Another run of this job is at work (process %d, lock %s/lock).",
                    length > 0 ? atoi(holder) : 0, repository->path);
        fault_hint(fault, "Wait for it to end; the lock is given back even when that process is killed.");
    } else
        failure_storage(fault, "lock", repository->path);
    close(fd);
    return false;
}

bool repository_is_locked(int job_fd)
{
    int fd = lock_open(job_fd, O_RDONLY);
    bool locked;

    if (fd < 0)
        return false;
    locked = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    close(fd);
    return locked;
}

/* "LABEL" or "LABEL.partial": cuts the suffix off and says so. False for anything else. */
static bool entry_is_backup(const char *entry, char label[NAME_MAX + 1], bool *partial)
{
    size_t length = strlen(entry), suffix = sizeof partial_suffix - 1;

    *partial = length > suffix && strcmp(entry + length - suffix, partial_suffix) == 0;
    snprintf(label, NAME_MAX + 1, "%.*s", (int)(*partial ? length - suffix : length), entry);
    return label_is_valid(label);
}

bool repository_sweep(struct repository *repository, int *removed, struct fault *fault)
{
    struct dirent **entries;
    int count = scandirat(repository->job_fd, ".", &entries, NULL, alphasort);
    bool ok = true;

    *removed = 0;
    if (count < 0)
        return failure_storage(fault, "read the directory", repository->path);
    for (int i = 0; i < count; i++) {
        char label[NAME_MAX + 1];
        bool partial;

        if (ok && entry_is_backup(entries[i]->d_name, label, &partial) && partial) {
            ok = tree_remove(repository->job_fd, entries[i]->d_name, fault);
            *removed += ok;
        }
        free(entries[i]);
    }
    free(entries);
    return ok;
}

static bool place_visit(struct backup_place *place, const char *entry,
                        bool (*visit)(void *context, const struct backup_place *place, struct fault *fault),
                        void *context, struct fault *fault)
{
    char label[NAME_MAX + 1];
    bool ok;

    if (!entry_is_backup(entry, label, &place->partial))
        return true;
    place->dir_fd = openat(place->job_fd, entry, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (place->dir_fd < 0)
        return true; /* swept or renamed by a run meanwhile, or not a directory */
    place->label = label;
    ok = visit(context, place, fault);
    close(place->dir_fd);
    return ok;
}

static bool job_visit(struct backup_place *place, int root_fd,
                      bool (*visit)(void *context, const struct backup_place *place, struct fault *fault),
                      void *context, struct fault *fault)
{
    struct dirent **entries;
    bool ok = true;
    int count;

    place->job_fd = openat(root_fd, place->job, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (place->job_fd < 0)
        return true;
    count = scandirat(place->job_fd, ".", &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        ok = ok && place_visit(place, entries[i]->d_name, visit, context, fault);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    close(place->job_fd);
    return count >= 0 ? ok : failure_storage(fault, "read the directory of job", place->job);
}

bool repository_visit(const struct repository_options *options,
                      bool (*visit)(void *context, const struct backup_place *place, struct fault *fault),
                      void *context, struct fault *fault)
{
    int root_fd = root_open(options, false, fault), count;
    struct dirent **entries;
    bool ok = true;

    if (root_fd < 0)
        return false;
    count = scandirat(root_fd, ".", &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        struct backup_place place = { .repository = options, .job = entries[i]->d_name };

        if (ok && label_is_name(place.job, JOB_NAME_MAX))
            ok = job_visit(&place, root_fd, visit, context, fault);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    close(root_fd);
    return count >= 0 ? ok : failure_storage(fault, "read the repository", options->path);
}

struct search {
    const char *label;
    struct arena *arena;
    struct backup_place *found;
};

static bool place_match(void *context, const struct backup_place *place, struct fault *fault)
{
    struct search *search = context;

    (void)fault;
    if (place->partial || strcmp(place->label, search->label) != 0)
        return true;
    *search->found = *place;
    search->found->job = arena_string(search->arena, place->job);
    search->found->label = arena_string(search->arena, place->label);
    search->found->job_fd = fcntl(place->job_fd, F_DUPFD_CLOEXEC, 0);
    search->found->dir_fd = fcntl(place->dir_fd, F_DUPFD_CLOEXEC, 0);
    return false;
}

bool repository_find(const struct runner_options *options, const char *repository, const char *label,
                     struct backup_place *place, struct arena *arena, struct fault *fault)
{
    struct search search = { .label = label, .arena = arena, .found = place };
    bool readable = true;

    place->label = NULL;
    if (repository != NULL && options_repository(options, repository) == NULL)
        return failure_set(fault, FAILURE_NOT_FOUND, "The configuration has no repository \"%s\".",
                           repository);
    for (size_t i = 0; i < options->repository_count && place->label == NULL; i++) {
        const struct repository_options *candidate = &options->repositories[i];

        if (repository == NULL || strcmp(candidate->name, repository) == 0)
            readable = repository_visit(candidate, place_match, &search, fault) && readable;
    }
    if (place->label != NULL)
        return true;
    if (!readable)
        return false;
    failure_set(fault, FAILURE_NOT_FOUND, "There is no backup \"%s\" in %s%s.", label,
                repository == NULL ? "any repository" : "repository ", repository == NULL ? "" : repository);
    return fault_hint(fault, "pgsluice-backup list shows what there is.");
}

const char *place_path(const struct backup_place *place, struct arena *arena)
{
    char *root = realpath(place->repository->path, NULL);
    const char *path = arena_format(arena, "%s/%s/%s%s", root == NULL ? place->repository->path : root,
                                    place->job, place->label, place->partial ? partial_suffix : "");

    free(root);
    return path;
}
