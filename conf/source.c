/* SPDX-License-Identifier: PostgreSQL
 * source - the text of a configuration file with its includes in place, and where each line came from. */
#include "conf/source.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/problems.h"
#include "gateway/base/arena.h"
#include "gateway/base/check.h"

enum lexical { LEXICAL_PLAIN, LEXICAL_STRING, LEXICAL_LINE_COMMENT, LEXICAL_BLOCK_COMMENT };

struct place {
    const char *file; /* who includes, NULL for the first file */
    int line;
};

static bool source_file(struct source *source, const char *path, struct place from);

static void source_put(struct source *source, const char *bytes, size_t length)
{
    if (source->room - source->length < length + 1) {
        source->room = (source->length + length + 1) * 2;
        source->text = realloc(source->text, source->room);
        CHECK(source->text != NULL);
    }
    memcpy(source->text + source->length, bytes, length);
    source->length += length;
    source->text[source->length] = '\0';
    for (size_t i = 0; i < length; i++)
        source->lines += bytes[i] == '\n';
}

static void source_mark(struct source *source, const char *file, int line)
{
    if (source->segment_count == source->segment_room) {
        source->segment_room = source->segment_room * 2 + 8;
        source->segments = realloc(source->segments, source->segment_room * sizeof *source->segments);
        CHECK(source->segments != NULL);
    }
    source->segments[source->segment_count++] =
        (struct source_segment){ .at = source->lines + 1, .file = file, .line = line };
}

/* A problem of a whole file: told where it is included, or by its own name when it is the first. */
static bool unreadable(struct source *source, const char *path, struct place from, const char *why)
{
    if (from.file == NULL)
        problems_add(source->problems, path, 0, "cannot read the configuration: %s", why);
    else
        problems_add(source->problems, from.file, from.line, "cannot include \"%s\": %s", path, why);
    return false;
}

/* O_NONBLOCK: opening a FIFO must not wait for a writer. */
static int open_regular(struct source *source, const char *path, struct place from, size_t *size)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

    if (fd < 0) {
        char why[128];

        snprintf(why, sizeof why, "%s; check its name and permissions", strerror(errno));
        unreadable(source, path, from, why);
        return -1;
    }
    if (fstat(fd, &status) != 0)
        unreadable(source, path, from, strerror(errno));
    else if (!S_ISREG(status.st_mode))
        unreadable(source, path, from, "it is not a regular file; name a file");
    else if (status.st_size > (off_t)(SOURCE_MAX_BYTES - source->length))
        unreadable(source, path, from,
                   "the whole configuration may have at most 1 MB; check that this is the right file");
    else {
        *size = (size_t)status.st_size;
        return fd;
    }
    close(fd);
    return -1;
}

/* Returns malloc'd, NUL-terminated text, at most as much as the file had when it was opened. */
static char *read_whole(struct source *source, const char *path, struct place from, size_t *length)
{
    size_t size = 0;
    int fd = open_regular(source, path, from, &size);
    char *text;

    if (fd < 0)
        return NULL;
    text = malloc(size + 1);
    CHECK(text != NULL);
    *length = 0;
    while (*length < size) {
        ssize_t got = read(fd, text + *length, size - *length);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        *length += (size_t)got;
    }
    close(fd);
    text[*length] = '\0';
    if (memchr(text, '\0', *length) == NULL)
        return text;
    unreadable(source, path, from, "it contains a zero byte, so it is not a text file");
    free(text);
    return NULL;
}

/* Where the byte at `at` leaves the scanner; returns how many bytes were looked at (1 or 2). */
static size_t lexical_step(int *lexical, const char *at)
{
    switch ((enum lexical)*lexical) {
    case LEXICAL_PLAIN:
        if (*at == '"')
            *lexical = LEXICAL_STRING;
        else if (*at == '#' || (at[0] == '/' && at[1] == '/'))
            *lexical = LEXICAL_LINE_COMMENT;
        else if (at[0] == '/' && at[1] == '*')
            *lexical = LEXICAL_BLOCK_COMMENT;
        return *lexical == LEXICAL_BLOCK_COMMENT ? 2 : 1;
    case LEXICAL_STRING:
        if (at[0] == '\\' && at[1] != '\0' && at[1] != '\n')
            return 2;
        if (*at == '"')
            *lexical = LEXICAL_PLAIN;
        return 1;
    case LEXICAL_LINE_COMMENT:
        if (*at == '\n')
            *lexical = LEXICAL_PLAIN;
        return 1;
    case LEXICAL_BLOCK_COMMENT:
        if (at[0] != '*' || at[1] != '/')
            return 1;
        *lexical = LEXICAL_PLAIN;
        return 2;
    }
    UNREACHABLE();
}

/* If the line at `at` is `@include "path"`, copies the path and returns where the line goes on. */
static const char *include_parse(const char *at, char *path, size_t room)
{
    size_t used = 0;

    at += strspn(at, " \t");
    if (strncmp(at, "@include", 8) != 0)
        return NULL;
    at += 8;
    if (*at != ' ' && *at != '\t')
        return NULL;
    at += strspn(at, " \t");
    if (*at++ != '"')
        return NULL;
    for (; *at != '"' && *at != '\0' && *at != '\n' && used + 1 < room; at++) {
        if (*at == '\\' && (at[1] == '"' || at[1] == '\\'))
            at++;
        path[used++] = *at;
    }
    path[used] = '\0';
    return *at == '"' ? at + 1 : NULL;
}

static bool source_include(struct source *source, const char *name, struct place from)
{
    const char *slash = strrchr(from.file, '/');
    const char *path = name;

    if (source->depth == SOURCE_MAX_DEPTH)
        return unreadable(source, name, from, "files may include each other 8 deep; include it further up");
    if (source->files == SOURCE_MAX_FILES)
        return unreadable(source, name, from, "at most 100 files may be included; join some of them");
    if (name[0] != '/' && slash != NULL)
        path = arena_format(source->arena, "%.*s/%s", (int)(slash - from.file), from.file, name);
    for (int i = 0; i < source->depth; i++)
        if (strcmp(source->open[i], path) == 0)
            return unreadable(source, path, from, "that file is being read already, so it includes itself");
    source->files++;
    return source_file(source, arena_string(source->arena, path), from);
}

/* Copies the text line by line, with included files where their directives stood. */
static bool source_text(struct source *source, const char *file, const char *text)
{
    char name[PATH_MAX];
    const char *copied = text;
    bool line_start = true, good = true;
    int line = 1;

    for (const char *at = text; *at != '\0';) {
        const char *rest =
            line_start && source->lexical == LEXICAL_PLAIN ? include_parse(at, name, sizeof name) : NULL;

        if (rest != NULL) {
            source_put(source, copied, (size_t)(at - copied));
            good &= source_include(source, name, (struct place){ file, line });
            source_mark(source, file, line);
            copied = at = rest;
            line_start = false;
            continue;
        }
        line_start = *at == '\n';
        line += line_start;
        at += lexical_step(&source->lexical, at);
    }
    source_put(source, copied, strlen(copied));
    return good;
}

static bool source_file(struct source *source, const char *path, struct place from)
{
    size_t length = 0;
    char *text = read_whole(source, path, from, &length);
    bool good;

    if (text == NULL)
        return false;
    source->open[source->depth++] = path;
    source_mark(source, path, 1);
    good = source_text(source, path, text);
    if (length == 0 || text[length - 1] != '\n') {
        source_put(source, "\n", 1);
        if (source->lexical == LEXICAL_LINE_COMMENT)
            source->lexical = LEXICAL_PLAIN;
    }
    source->depth--;
    explicit_bzero(text, length);
    free(text);
    return good;
}

bool source_read(struct source *source, const char *path, struct arena *arena, struct problems *problems)
{
    *source = (struct source){ .arena = arena, .problems = problems };
    return source_file(source, arena_string(arena, path), (struct place){ NULL, 0 });
}

void source_free(struct source *source)
{
    if (source->text != NULL)
        explicit_bzero(source->text, source->length);
    free(source->text);
    free(source->segments);
    *source = (struct source){ 0 };
}

void source_where(const struct source *source, int at, const char **file, int *line)
{
    const struct source_segment *found = NULL;

    for (size_t i = 0; i < source->segment_count && source->segments[i].at <= at; i++)
        found = &source->segments[i];
    *file = found == NULL ? NULL : found->file;
    *line = found == NULL ? 0 : found->line + (at - found->at);
}
