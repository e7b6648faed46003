/* SPDX-License-Identifier: PostgreSQL
 * hba_tokens - cuts pg_hba.conf and pg_ident.conf into lines, fields and tokens, and follows their includes.
 * Source: PostgreSQL manual, "The pg_hba.conf File" (17). Fields are parted by blanks, the tokens of one
 * field by commas; quotes protect blanks, commas and #, and a doubled quote is a quote; `@file` stands for
 * the tokens of that file; a backslash at the end of a line continues it, even within quotes and comments.
 * Stricter than PostgreSQL: a quote that is never closed, zero bytes, and a @file without any name are
 * errors. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct arena;
struct problems;

enum { HBA_TOKEN_MAX_BYTES = 10000, HBA_DEPTH_MAX = 10, HBA_FILES_MAX = 1000, HBA_TOKENS_MAX = 500000 };

struct hba_token {
    struct hba_token *next;
    const char *text; /* without its quotes */
    bool quoted;      /* it begins with a quote: keywords, + and @ mean nothing then */
};

struct hba_field {
    struct hba_field *next;
    struct hba_token *tokens; /* at least one */
};

struct hba_line {
    const char *file;
    int number;               /* from 1; the first one of a continued line */
    struct hba_field *fields; /* at least one */
};

/* The caller fills the first group and zeroes the rest. Lines, fields and tokens live in the arena. */
struct hba_reader {
    struct arena *arena;
    struct problems *problems; /* everything that is wrong with the text goes here, with file and line */
    bool (*take)(void *context, const struct hba_line *line); /* a line without problems; false ends it all */
    void *context;

    size_t files, tokens;
    int depth;
    bool files_allowed, stopped;
    bool unreadable; /* the outermost file could not be read */
};

/* A file with all that it includes. Blocks on the disk. */
void hba_tokens_of_file(struct hba_reader *reader, const char *path);

/* A text from memory; `where` names it in problems. It may not include anything: nothing else is read. */
void hba_tokens_of_text(struct hba_reader *reader, const char *text, size_t length, const char *where);
