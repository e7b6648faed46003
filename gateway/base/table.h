/* SPDX-License-Identifier: PostgreSQL
 * table - an intrusive chained hash table; the caller compares keys and owns the entries. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct table_link {
    struct table_link *next;
    uint64_t hash;
};

/* All zero is an empty table that holds no memory. */
struct table {
    struct table_link **buckets;
    size_t mask; /* buckets - 1 */
    size_t count;
};

#define table_entry(link, type, member) ((type *)(void *)((char *)(link) - offsetof(type, member)))

/* The first link with this hash, or NULL; table_next gives the following ones with the same hash. */
struct table_link *table_find(const struct table *table, uint64_t hash);
struct table_link *table_next(const struct table_link *link);

/* Adds an entry; grows the buckets when needed (a table that cannot grow only becomes slower). Returns
 * false only when the very first buckets could not be had. */
int table_add(struct table *table, struct table_link *link, uint64_t hash);
void table_remove(struct table *table, struct table_link *link);

/* Takes any entry out, or NULL when empty: for tearing down. */
struct table_link *table_pop(struct table *table);
void table_free(struct table *table); /* the buckets only; must be empty */

/* A seeded hash (the seed is random for each process, so that nobody can choose collisions). */
uint64_t table_hash(const void *bytes, size_t length, uint64_t more);
