/* SPDX-License-Identifier: PostgreSQL
 * problems - everything that is wrong with a configuration, collected so that all of it is said at once. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct arena;

enum { PROBLEMS_MAX = 100 };

struct problem {
    struct problem *next;
    const char *file; /* as the operator named it, NULL when no file is concerned */
    int line;         /* 0 when the whole file is concerned */
    const char *text; /* a sentence without its full stop: expected what, found what, what to do */
};

/* Owned by whoever called problems_init, until problems_free. One thread at a time. */
struct problems {
    struct arena *arena;
    struct problem *first; /* by line within one file */
    size_t count;          /* all of them; at most PROBLEMS_MAX are kept */
};

bool problems_init(struct problems *problems); /* false when out of memory */
void problems_free(struct problems *problems);

/* Adds one; copies file and the formatted text. */
void problems_add(struct problems *problems, const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Writes one line for each: `file:line: text`. */
void problems_print(const struct problems *problems, FILE *to);
