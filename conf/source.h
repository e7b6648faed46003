/* SPDX-License-Identifier: PostgreSQL
 * source - the text of a configuration file with its includes in place, and where each line came from.
 * libconfig is given this text and opens nothing itself: an include may be a directory, a FIFO or a loop. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct arena;
struct problems;

enum { SOURCE_MAX_BYTES = 1024 * 1024, SOURCE_MAX_DEPTH = 8, SOURCE_MAX_FILES = 100 };

struct source_segment {
    int at;           /* first line of the whole text that this segment covers */
    const char *file; /* in the arena */
    int line;         /* that line's number in its own file */
};

struct source {
    struct arena *arena;
    struct problems *problems;
    char *text; /* NUL-terminated */
    size_t length, room;
    struct source_segment *segments;
    size_t segment_count, segment_room;
    int lines;  /* lines finished so far */
    const char *open[SOURCE_MAX_DEPTH]; /* the files that are being read, each included by the one before */
    int depth, files;
    int lexical; /* enum lexical in source.c: inside a string or comment no @include counts */
};

/* Reads path and everything it includes, relative includes beside the file that names them. False when
 * anything could not be read: problems say what. Release with source_free in either case. */
bool source_read(struct source *source, const char *path, struct arena *arena, struct problems *problems);
void source_free(struct source *source); /* wipes the text */

/* Translates a line of the whole text. The file's name lives in the arena. */
void source_where(const struct source *source, int at, const char **file, int *line);
