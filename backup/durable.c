/* SPDX-License-Identifier: PostgreSQL
 * durable - the only way into a repository: written, fsynced, renamed into place, directory fsynced. */
#include "backup/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/failure.h"
#include "backup/tree.h"

enum { NEW_FILE = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, COPY_BYTES = 1 << 16 };

bool durable_directory(int parent_fd, const char *name, struct fault *fault)
{
    return mkdirat(parent_fd, name, 0700) == 0 || failure_storage(fault, "make the directory", name);
}

static bool bytes_write(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t count = write(fd, data, size);

        if (count < 0 && errno != EINTR)
            return false;
        if (count > 0) {
            data += count;
            size -= (size_t)count;
        }
    }
    return true;
}

/* close reports what NFS could not write, so its result counts too. */
static bool file_finish(int fd, bool ok)
{
    ok = ok && fsync(fd) == 0;
    return (close(fd) == 0) && ok;
}

bool durable_write(int dir_fd, const char *name, const void *data, size_t size, struct fault *fault)
{
    char temporary[NAME_MAX + 1];
    int fd;

    if (snprintf(temporary, sizeof temporary, ".%s.new", name) >= (int)sizeof temporary)
        return failure_set(fault, FAILURE_STORAGE, "The file name \"%s\" is too long.", name);
    unlinkat(dir_fd, temporary, 0); /* left by a run that died here */
    fd = openat(dir_fd, temporary, NEW_FILE, 0600);
    if (fd < 0 || !file_finish(fd, bytes_write(fd, data, size)) ||
        renameat(dir_fd, temporary, dir_fd, name) != 0) {
        failure_storage(fault, "write", name);
        unlinkat(dir_fd, temporary, 0);
        return false;
    }
    return fsync(dir_fd) == 0 || failure_storage(fault, "fsync the directory of", name);
}

static bool bytes_copy(int from, int to)
{
    char buffer[COPY_BYTES];
    ssize_t count;

    while ((count = read(from, buffer, sizeof buffer)) != 0) {
        if (count < 0 && errno != EINTR)
            return false;
        if (count > 0 && !bytes_write(to, buffer, (size_t)count))
            return false;
    }
    return true;
}

bool durable_copy(int from_fd, const char *from, int to_fd, const char *to, struct fault *fault)
{
    int in = openat(from_fd, from, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), out;
    bool ok;

    if (in < 0)
        return failure_storage(fault, "read", from);
    out = openat(to_fd, to, NEW_FILE, 0600);
    ok = out >= 0 && file_finish(out, bytes_copy(in, out));
    if (!ok)
        failure_storage(fault, "copy", from);
    close(in);
    return ok;
}

static bool entry_sync(void *context, const struct tree_entry *entry, struct fault *fault)
{
    int fd;
    bool ok;

    (void)context;
    if (!S_ISREG(entry->stat.st_mode) && !S_ISDIR(entry->stat.st_mode))
        return failure_set(fault, FAILURE_STORAGE, "\"%s\" is neither a file nor a directory.", entry->path);
    fd = openat(entry->dir_fd, entry->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    ok = fd >= 0 && fsync(fd) == 0;
    if (!ok)
        failure_storage(fault, "fsync", entry->path);
    if (fd >= 0)
        close(fd);
    return ok;
}

bool durable_sync_tree(int dir_fd, struct fault *fault)
{
    if (!tree_walk(dir_fd, entry_sync, NULL, fault))
        return false;
    return fsync(dir_fd) == 0 || failure_storage(fault, "fsync the directory", ".");
}

bool durable_publish(int parent_fd, const char *partial, const char *final, struct fault *fault)
{
    int fd = tree_open(parent_fd, partial, fault);
    bool ok;

    if (fd < 0)
        return false;
    ok = durable_sync_tree(fd, fault);
    close(fd);
    if (!ok)
        return false;
    if (renameat2(parent_fd, partial, parent_fd, final, RENAME_NOREPLACE) != 0)
        return failure_storage(fault, "publish", final);
    return fsync(parent_fd) == 0 || failure_storage(fault, "fsync the directory of", final);
}
