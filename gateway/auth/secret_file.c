/* SPDX-License-Identifier: PostgreSQL
 * secret_file - reads a file of secrets whole, into memory that is wiped afterwards. */
#include "gateway/auth/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/check.h"
#include "gateway/base/fault.h"

enum { PLACE_BYTES = 200 };

static bool file_refuse(const char *what, const char *path, struct fault *fault)
{
    return fault_set(fault, "58P01", "the %s \"%.*s\" cannot be read: %s", what, PLACE_BYTES, path,
                     strerror(errno));
}

static bool content_read(struct secret_file *file, int fd, const char *path, struct fault *fault)
{
    size_t used = 0;

    file->text = malloc(file->size + 1);
    if (file->text == NULL)
        return fault_set(fault, "53200", "out of memory while reading the %s", file->what);
    while (used < file->size) {
        ssize_t got = read(fd, file->text + used, file->size - used);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return file_refuse(file->what, path, fault);
        if (got == 0)
            return fault_set(fault, "58P01", "the %s \"%.*s\" shrank during reading: load it again",
                             file->what, PLACE_BYTES, path);
        used += (size_t)got;
    }
    return true;
}

static bool file_judge(struct secret_file *file, int fd, const char *path, mode_t *mode, struct fault *fault)
{
    struct stat status;

    if (fstat(fd, &status) != 0)
        return file_refuse(file->what, path, fault);
    if (!S_ISREG(status.st_mode))
        return fault_set(fault, "58P01", "the %s \"%.*s\" is not a regular file", file->what, PLACE_BYTES,
                         path);
    if (status.st_size > SECRET_FILE_MAX_BYTES)
        return fault_set(fault, "54000", "the %s \"%.*s\" is larger than %d bytes", file->what, PLACE_BYTES,
                         path, SECRET_FILE_MAX_BYTES);
    file->size = (size_t)status.st_size;
    *mode = status.st_mode;
    return true;
}

bool secret_file_read(struct secret_file *file, const char *path, char *warning, size_t warning_room,
                      struct fault *fault)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hang */
    mode_t mode = 0;
    bool read;

    CHECK(warning_room > 0);
    warning[0] = '\0';
    file->text = NULL;
    file->size = 0;
    if (fd < 0)
        return file_refuse(file->what, path, fault);
    read = file_judge(file, fd, path, &mode, fault) && content_read(file, fd, path, fault);
    close(fd);
    if (!read)
        secret_file_wipe(file);
    else if ((mode & (S_IWGRP | S_IRWXO)) != 0)
        snprintf(warning, warning_room,
                 "the %s \"%.*s\" has mode %04o: others can read or change it, set 0600 or 0640", file->what,
                 PLACE_BYTES, path, (unsigned)(mode & 07777));
    return read;
}

void secret_file_wipe(struct secret_file *file)
{
    if (file->text != NULL)
        explicit_bzero(file->text, file->size);
    free(file->text);
    file->text = NULL;
    file->size = 0;
}
