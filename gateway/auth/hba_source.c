/* SPDX-License-Identifier: PostgreSQL
 * hba_source - reads the files that pg_hba.conf and pg_ident.conf consist of. */
#include "gateway/auth/hba_source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/arena.h"

static bool content_read(int file, struct hba_source *source, size_t size, char *why, size_t room)
{
    while (source->length < size) {
        ssize_t got = read(file, source->text + source->length, size - source->length);

        if (got < 0 && errno == EINTR)
            continue;
        if (got > 0) {
            source->length += (size_t)got;
            continue;
        }
        snprintf(why, room, "%s", got < 0 ? strerror(errno) : "it shrank while it was read, load it again");
        return false;
    }
    return true;
}

static bool file_judge(int file, size_t *size, char *why, size_t room)
{
    struct stat status;

    if (fstat(file, &status) != 0)
        snprintf(why, room, "%s", strerror(errno));
    else if (!S_ISREG(status.st_mode))
        snprintf(why, room, "it is not a regular file");
    else if (status.st_size > HBA_FILE_MAX_BYTES)
        snprintf(why, room, "it is larger than %d bytes", HBA_FILE_MAX_BYTES);
    else {
        *size = (size_t)status.st_size;
        return true;
    }
    return false;
}

enum hba_source_result hba_source_read(const char *path, struct hba_source *source, char *why, size_t room)
{
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hang */
    size_t size = 0;
    bool read = false;

    *source = (struct hba_source){ NULL, 0 };
    if (file < 0) {
        snprintf(why, room, "%s", strerror(errno));
        return errno == ENOENT ? HBA_SOURCE_ABSENT : HBA_SOURCE_BAD;
    }
    if (file_judge(file, &size, why, room)) {
        source->text = malloc(size + 1);
        if (source->text == NULL)
            snprintf(why, room, "out of memory");
        else
            read = content_read(file, source, size, why, room);
    }
    close(file);
    if (read)
        return HBA_SOURCE_READ;
    hba_source_free(source);
    return HBA_SOURCE_BAD;
}

void hba_source_free(struct hba_source *source)
{
    if (source->text != NULL)
        explicit_bzero(source->text, source->length);
    free(source->text);
    *source = (struct hba_source){ NULL, 0 };
}

char *hba_source_beside(struct arena *arena, const char *from, const char *name)
{
    const char *slash = strrchr(from, '/');

    if (name[0] == '/' || slash == NULL)
        return arena_string(arena, name);
    return arena_format(arena, "%.*s/%s", (int)(slash - from), from, name);
}

static int path_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool name_wanted(const char *name)
{
    size_t length = strlen(name);

    return name[0] != '.' && length > 5 && strcmp(name + length - 5, ".conf") == 0;
}

/* NULL at the end, and at an error with errno set. */
static const char *name_next(DIR *stream)
{
    const struct dirent *entry;

    errno = 0;
    do
        entry = readdir(stream);
    while (entry != NULL && !name_wanted(entry->d_name));
    return entry == NULL ? NULL : entry->d_name;
}

bool hba_source_list(struct arena *arena, const char *directory, char ***paths, size_t *count, char *why,
                     size_t room)
{
    DIR *stream = opendir(directory);
    const char *name;
    int error;

    *paths = arena_alloc(arena, HBA_DIRECTORY_MAX_FILES * sizeof **paths);
    *count = 0;
    if (stream == NULL) {
        snprintf(why, room, "%s", strerror(errno));
        return false;
    }
    while ((name = name_next(stream)) != NULL && *count < HBA_DIRECTORY_MAX_FILES)
        (*paths)[(*count)++] = arena_format(arena, "%s/%s", directory, name);
    error = name == NULL ? errno : EFBIG;
    closedir(stream);
    if (error == EFBIG)
        snprintf(why, room, "it has more than %d files", HBA_DIRECTORY_MAX_FILES);
    else if (error != 0)
        snprintf(why, room, "%s", strerror(error));
    else
        qsort(*paths, *count, sizeof **paths, path_compare);
    return error == 0;
}
