/* SPDX-License-Identifier: PostgreSQL
 * tree - walks a directory of the repository without ever following a symbolic link. */
#include "backup/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backup/failure.h"

enum { DEPTH_MAX = 64 }; /* a scratch server's data directory is about six deep */

struct walk {
    bool (*visit)(void *context, const struct tree_entry *entry, struct fault *fault);
    void *context;
    struct fault *fault;
    char path[PATH_MAX];
    int depth;
};

int tree_open(int at, const char *path, struct fault *fault)
{
    int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        failure_storage(fault, "open the directory", path);
    return fd;
}

static bool directory_walk(struct walk *walk, int fd);

static bool directory_enter(struct walk *walk, const struct tree_entry *entry)
{
    int fd = tree_open(entry->dir_fd, entry->name, walk->fault);
    bool ok;

    if (fd < 0)
        return false;
    walk->depth++;
    ok = directory_walk(walk, fd);
    walk->depth--;
    return ok;
}

static bool entry_walk(struct walk *walk, int dir_fd, const char *name)
{
    size_t base = strlen(walk->path);
    struct tree_entry entry = { .dir_fd = dir_fd, .name = name, .path = walk->path };
    bool ok;

    if (fstatat(dir_fd, name, &entry.stat, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT || failure_storage(walk->fault, "look at", name);
    if (base + strlen(name) + 2 > sizeof walk->path || walk->depth >= DEPTH_MAX)
        return failure_set(walk->fault, FAILURE_STORAGE, "\"%s\" lies deeper than the runner ever writes.",
                           name);
    snprintf(walk->path + base, sizeof walk->path - base, "%s%s", base == 0 ? "" : "/", name);
    ok = (!S_ISDIR(entry.stat.st_mode) || directory_enter(walk, &entry)) &&
         walk->visit(walk->context, &entry, walk->fault);
    walk->path[base] = '\0';
    return ok;
}

/* Takes over fd and closes it. */
static bool directory_walk(struct walk *walk, int fd)
{
    DIR *directory = fdopendir(fd);
    struct dirent *item;
    bool ok = true;

    if (directory == NULL) {
        close(fd);
        return failure_storage(walk->fault, "read the directory", walk->path);
    }
    while (ok && (item = readdir(directory)) != NULL)
        if (strcmp(item->d_name, ".") != 0 && strcmp(item->d_name, "..") != 0)
            ok = entry_walk(walk, fd, item->d_name);
    closedir(directory);
    return ok;
}

bool tree_walk(int root_fd,
               bool (*visit)(void *context, const struct tree_entry *entry, struct fault *fault),
               void *context, struct fault *fault)
{
    struct walk walk = { .visit = visit, .context = context, .fault = fault };
    int fd = tree_open(root_fd, ".", fault);

    return fd >= 0 && directory_walk(&walk, fd);
}

static bool bytes_add(void *context, const struct tree_entry *entry, struct fault *fault)
{
    uint64_t *bytes = context;

    (void)fault;
    if (S_ISREG(entry->stat.st_mode))
        *bytes += (uint64_t)entry->stat.st_size;
    return true;
}

uint64_t tree_bytes(int root_fd)
{
    struct fault ignored;
    uint64_t bytes = 0;

    tree_walk(root_fd, bytes_add, &bytes, &ignored);
    return bytes;
}

static bool entry_remove(void *context, const struct tree_entry *entry, struct fault *fault)
{
    (void)context;
    if (unlinkat(entry->dir_fd, entry->name, S_ISDIR(entry->stat.st_mode) ? AT_REMOVEDIR : 0) == 0 ||
        errno == ENOENT)
        return true;
    return failure_storage(fault, "remove", entry->path);
}

bool tree_remove(int parent_fd, const char *name, struct fault *fault)
{
    int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool ok;

    if (fd < 0 && errno == ENOENT)
        return true;
    if (fd < 0)
        return failure_storage(fault, "open the directory", name);
    ok = tree_walk(fd, entry_remove, NULL, fault);
    close(fd);
    if (ok && unlinkat(parent_fd, name, AT_REMOVEDIR) != 0)
        ok = failure_storage(fault, "remove the directory", name);
    return ok;
}
