/* SPDX-License-Identifier: PostgreSQL
 * prepared_set - which shared statements a server has, and which of them surely. */
#include "gateway/session/prepared_set.h"

#include <stdlib.h>
#include <string.h>

void set_init(struct prepared_set *set)
{
    memset(set, 0, sizeof *set);
    list_init(&set->recent);
}

static uint64_t id_hash(const struct statement *statement)
{
    return statement->id * 0x9e3779b97f4a7c15u >> 7;
}

struct prepared_entry *set_find(struct prepared_set *set, const struct statement *statement)
{
    for (struct table_link *link = table_find(&set->table, id_hash(statement)); link != NULL;
         link = table_next(link)) {
        struct prepared_entry *entry = table_entry(link, struct prepared_entry, link);

        if (entry->statement == statement)
            return entry;
    }
    return NULL;
}

enum set_state set_look(struct prepared_set *set, const struct statement *statement, uint64_t batch,
                        uint64_t number)
{
    struct prepared_entry *entry = set_find(set, statement);

    if (entry == NULL)
        return SET_MISSING;
    list_remove(&entry->recency);
    list_push(&set->recent, &entry->recency);
    if (entry->number < number)
        return SET_DOUBTFUL;
    return entry->confirmed || entry->batch == batch ? SET_READY : SET_DOUBTFUL;
}

bool set_add(struct prepared_set *set, struct statement *statement, uint64_t batch, uint64_t number)
{
    struct prepared_entry *entry = set_find(set, statement);

    if (entry == NULL) {
        entry = calloc(1, sizeof *entry);
        if (entry == NULL || !table_add(&set->table, &entry->link, id_hash(statement))) {
            free(entry);
            return false;
        }
        statement_retain(statement);
        entry->statement = statement;
        list_init(&entry->recency);
        list_push(&set->recent, &entry->recency);
    }
    entry->batch = batch;
    entry->number = number;
    entry->confirmed = entry->described = false;
    entry->shape = 0;
    return true;
}

void set_confirm(struct prepared_set *set, const struct statement *statement)
{
    struct prepared_entry *entry = set_find(set, statement);

    if (entry != NULL)
        entry->confirmed = true;
}

bool set_doubt(struct prepared_set *set, struct statement *statement)
{
    return set_add(set, statement, UINT64_MAX, 0);
}

static void entry_free(struct prepared_set *set, struct prepared_entry *entry)
{
    table_remove(&set->table, &entry->link);
    list_remove(&entry->recency);
    statement_release(entry->statement);
    free(entry);
}

void set_remove(struct prepared_set *set, const struct statement *statement)
{
    struct prepared_entry *entry = set_find(set, statement);

    if (entry != NULL)
        entry_free(set, entry);
}

void set_clear(struct prepared_set *set)
{
    while (!list_empty(&set->recent))
        entry_free(set, list_entry(set->recent.next, struct prepared_entry, recency));
    table_free(&set->table);
}

size_t set_confirmed(const struct prepared_set *set)
{
    size_t count = 0;

    list_each(link, following, &set->recent)
        count += list_entry(link, struct prepared_entry, recency)->confirmed;
    return count;
}

void set_doubt_all(struct prepared_set *set)
{
    list_each(link, following, &set->recent) {
        struct prepared_entry *entry = list_entry(link, struct prepared_entry, recency);

        entry->confirmed = false;
        entry->batch = UINT64_MAX;
    }
}

struct statement *set_surplus(struct prepared_set *set, size_t limit)
{
    if (set->table.count <= limit)
        return NULL;
    return list_entry(set->recent.prev, struct prepared_entry, recency)->statement;
}
