/* SPDX-License-Identifier: PostgreSQL
 * hba_collect - reads a whole pg_hba.conf or pg_ident.conf, and collects everything that is wrong with it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct arena;
struct fault;
struct hba_line;
struct problems;

struct hba_collect {
    struct arena *arena; /* where lines and tokens go */
    void *result;        /* whatever `take` makes of them */
    bool (*take)(struct hba_collect *collect, const struct hba_line *line); /* false ends the reading */
    struct problems *problems; /* while reading: of this reading alone */
};

/* Feeds every line of the file and its includes, or of the text, to collect->take. False when there was any
 * problem: then collect->problems, unless NULL, got all of them as well, and the fault the first. */
bool hba_collect_file(struct hba_collect *collect, const char *path, struct fault *fault);
bool hba_collect_text(struct hba_collect *collect, const char *text, size_t length, const char *where,
                      struct fault *fault);
