/* SPDX-License-Identifier: PostgreSQL
 * smallfile - reads a whole file of bounded size from a repository. */
#include "backup/smallfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/failure.h"
#include "gateway/base/check.h"

enum { SMALL_MAX = 256 << 20 };

static bool bytes_read(int fd, char *to, size_t size)
{
    while (size > 0) {
        ssize_t count = read(fd, to, size);

        if (count == 0 || (count < 0 && errno != EINTR))
            return false;
        if (count > 0) {
            to += count;
            size -= (size_t)count;
        }
    }
    return true;
}

char *smallfile_read(int dir_fd, const char *name, size_t *length, struct fault *fault)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat stat;
    char *text = NULL;

    if (fd < 0 || fstat(fd, &stat) != 0)
        failure_storage(fault, "read", name);
    else if (!S_ISREG(stat.st_mode) || stat.st_size > SMALL_MAX)
        failure_set(fault, FAILURE_STORAGE, "\"%s\" is not a regular file of at most %d MB.", name,
                    SMALL_MAX >> 20);
    else {
        *length = (size_t)stat.st_size;
        text = calloc(1, *length + 1);
        CHECK(text != NULL);
        if (!bytes_read(fd, text, *length)) {
            failure_storage(fault, "read", name);
            free(text);
            text = NULL;
        }
    }
    if (fd >= 0)
        close(fd);
    return text;
}
