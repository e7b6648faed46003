/* SPDX-License-Identifier: PostgreSQL
 * name_list - clients' names of prepared statements in an order; each is referred to. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct prepared_name;

/* All zero is empty. */
struct name_list {
    struct prepared_name **names;
    size_t count, room;
};

/* Adds at the end; name may be NULL. False: out of memory. */
bool name_list_add(struct name_list *list, struct prepared_name *name);
/* Drops the names that stand for nothing on a server, so that a list that is added to for long stays
 * short. */
void name_list_compact(struct name_list *list);
void name_list_clear(struct name_list *list);
void name_list_free(struct name_list *list);
