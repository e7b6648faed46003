/* SPDX-License-Identifier: PostgreSQL
 * name_list - clients' names of prepared statements in an order. */
#include "gateway/session/name_list.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/session/prepared.h"

enum { FIRST_ROOM = 8 };

bool name_list_add(struct name_list *list, struct prepared_name *name)
{
    if (list->count == list->room) {
        size_t room = list->room == 0 ? FIRST_ROOM : list->room * 2;
        struct prepared_name **wider = realloc(list->names, room * sizeof *wider);

        if (wider == NULL)
            return false;
        list->names = wider;
        list->room = room;
    }
    if (name != NULL)
        name_retain(name);
    list->names[list->count++] = name;
    return true;
}

void name_list_compact(struct name_list *list)
{
    size_t kept = 0;

    for (size_t i = 0; i < list->count; i++) {
        struct prepared_name *name = list->names[i];

        if (name != NULL && name->material != MATERIAL_NONE)
            list->names[kept++] = name;
        else if (name != NULL)
            name_release(name);
    }
    list->count = kept;
}

void name_list_clear(struct name_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->names[i] != NULL)
            name_release(list->names[i]);
    list->count = 0;
}

void name_list_free(struct name_list *list)
{
    name_list_clear(list);
    free(list->names);
    memset(list, 0, sizeof *list);
}
