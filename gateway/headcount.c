/* SPDX-License-Identifier: PostgreSQL
 * headcount - how many connections there are of each user, database, route and address. */
#include "gateway/headcount.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"

struct headcount_entry {
    struct table_link link;
    enum headcount_kind kind;
    int count;
    size_t length;
    unsigned char key[];
};

void headcount_open(struct headcount *headcount)
{
    memset(headcount, 0, sizeof *headcount);
    pthread_mutex_init(&headcount->lock, NULL);
}

void headcount_close(struct headcount *headcount)
{
    CHECK(headcount->table.count == 0);
    table_free(&headcount->table);
    pthread_mutex_destroy(&headcount->lock);
}

static struct headcount_entry *find(struct headcount *headcount, enum headcount_kind kind, const void *key,
                                    size_t length, uint64_t hash)
{
    for (struct table_link *link = table_find(&headcount->table, hash); link != NULL;
         link = table_next(link)) {
        struct headcount_entry *entry = table_entry(link, struct headcount_entry, link);

        if (entry->kind == kind && entry->length == length && memcmp(entry->key, key, length) == 0)
            return entry;
    }
    return NULL;
}

static struct headcount_entry *add(struct headcount *headcount, enum headcount_kind kind, const void *key,
                                   size_t length, uint64_t hash)
{
    struct headcount_entry *entry = malloc(sizeof *entry + length);

    if (entry == NULL)
        return NULL;
    *entry = (struct headcount_entry){.kind = kind, .length = length};
    memcpy(entry->key, key, length);
    if (table_add(&headcount->table, &entry->link, hash))
        return entry;
    free(entry);
    return NULL;
}

bool headcount_enter(struct headcount *headcount, struct headcount_seat *seat, enum headcount_kind kind,
                     const void *key, size_t length, int limit)
{
    uint64_t hash = table_hash(key, length, (uint64_t)kind);
    struct headcount_entry *entry;
    bool full;

    CHECK(seat->entries[kind] == NULL);
    pthread_mutex_lock(&headcount->lock);
    entry = find(headcount, kind, key, length, hash);
    full = entry != NULL && limit > 0 && entry->count >= limit;
    if (entry == NULL)
        entry = add(headcount, kind, key, length, hash);
    if (!full && entry != NULL) {
        entry->count++;
        seat->entries[kind] = entry;
    }
    pthread_mutex_unlock(&headcount->lock);
    return !full;
}

void headcount_leave(struct headcount *headcount, struct headcount_seat *seat)
{
    pthread_mutex_lock(&headcount->lock);
    for (int kind = 0; kind < HEADCOUNT_KINDS; kind++) {
        struct headcount_entry *entry = seat->entries[kind];

        seat->entries[kind] = NULL;
        if (entry == NULL || --entry->count > 0)
            continue;
        table_remove(&headcount->table, &entry->link);
        free(entry);
    }
    pthread_mutex_unlock(&headcount->lock);
}
