/* SPDX-License-Identifier: PostgreSQL
 * show - the rows behind SHOW; rows of conf/commands.def. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct gateway;
struct rows;
struct worker;

struct show {
    const char *name;
    bool each_worker;
    const char *columns; /* names with spaces between; a number's ends in # */
    const char *sentence;
    void (*produce)(struct worker *worker, struct rows *rows); /* on that worker's thread */
};

/* The SHOW of that name (any case), or NULL. */
const struct show *show_find(const char *name);
const struct show *show_at(size_t i); /* NULL behind the last */
