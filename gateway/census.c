/* SPDX-License-Identifier: PostgreSQL
 * census - how many connections there are of each user, database, route and address. */
#include "gateway/census.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"

struct census_entry {
    struct table_link link;
    enum census_kind kind;
    int count;
    size_t length;
    unsigned char key[];
};

void census_open(struct census *census)
{
    memset(census, 0, sizeof *census);
    pthread_mutex_init(&census->lock, NULL);
}

void census_close(struct census *census)
{
    CHECK(census->table.count == 0);
    table_free(&census->table);
    pthread_mutex_destroy(&census->lock);
}

static struct census_entry *find(struct census *census, enum census_kind kind, const void *key, size_t length,
                                 uint64_t hash)
{
    for (struct table_link *link = table_find(&census->table, hash); link != NULL; link = table_next(link)) {
        struct census_entry *entry = table_entry(link, struct census_entry, link);

        if (entry->kind == kind && entry->length == length && memcmp(entry->key, key, length) == 0)
            return entry;
    }
    return NULL;
}

static struct census_entry *add(struct census *census, enum census_kind kind, const void *key, size_t length,
                                uint64_t hash)
{
    struct census_entry *entry = malloc(sizeof *entry + length);

    if (entry == NULL)
        return NULL;
    *entry = (struct census_entry){.kind = kind, .length = length};
    memcpy(entry->key, key, length);
    if (table_add(&census->table, &entry->link, hash))
        return entry;
    free(entry);
    return NULL;
}

bool census_enter(struct census *census, struct census_seat *seat, enum census_kind kind, const void *key,
                  size_t length, int limit)
{
    uint64_t hash = table_hash(key, length, (uint64_t)kind);
    struct census_entry *entry;
    bool full;

    CHECK(seat->entries[kind] == NULL);
    pthread_mutex_lock(&census->lock);
    entry = find(census, kind, key, length, hash);
    full = entry != NULL && limit > 0 && entry->count >= limit;
    if (entry == NULL)
        entry = add(census, kind, key, length, hash);
    if (!full && entry != NULL) {
        entry->count++;
        seat->entries[kind] = entry;
    }
    pthread_mutex_unlock(&census->lock);
    return !full;
}

void census_leave(struct census *census, struct census_seat *seat)
{
    pthread_mutex_lock(&census->lock);
    for (int kind = 0; kind < CENSUS_KINDS; kind++) {
        struct census_entry *entry = seat->entries[kind];

        seat->entries[kind] = NULL;
        if (entry == NULL || --entry->count > 0)
            continue;
        table_remove(&census->table, &entry->link);
        free(entry);
    }
    pthread_mutex_unlock(&census->lock);
}
