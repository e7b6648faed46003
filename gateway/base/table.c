/* SPDX-License-Identifier: PostgreSQL
 * table - an intrusive chained hash table; the caller compares keys and owns the entries. */
#include "gateway/base/table.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/random.h"

enum { FIRST_BUCKETS = 8 };

static pthread_once_t seed_once = PTHREAD_ONCE_INIT;
static uint64_t seed;

static void seed_make(void)
{
    random_fill(&seed, sizeof seed);
}

struct table_link *table_find(const struct table *table, uint64_t hash)
{
    struct table_link *link;

    if (table->count == 0)
        return NULL;
    link = table->buckets[hash & table->mask];
    while (link != NULL && link->hash != hash)
        link = link->next;
    return link;
}

struct table_link *table_next(const struct table_link *link)
{
    struct table_link *next = link->next;

    while (next != NULL && next->hash != link->hash)
        next = next->next;
    return next;
}

static void table_grow(struct table *table)
{
    size_t size = table->buckets == NULL ? FIRST_BUCKETS : (table->mask + 1) * 2;
    struct table_link **wider = calloc(size, sizeof *wider);

    if (wider == NULL)
        return;
    for (size_t i = 0; table->buckets != NULL && i <= table->mask; i++) {
        for (struct table_link *link = table->buckets[i], *next; link != NULL; link = next) {
            next = link->next;
            link->next = wider[link->hash & (size - 1)];
            wider[link->hash & (size - 1)] = link;
        }
    }
    free(table->buckets);
    table->buckets = wider;
    table->mask = size - 1;
}

int table_add(struct table *table, struct table_link *link, uint64_t hash)
{
    if (table->buckets == NULL || table->count > table->mask)
        table_grow(table);
    if (table->buckets == NULL)
        return 0;
    link->hash = hash;
    link->next = table->buckets[hash & table->mask];
    table->buckets[hash & table->mask] = link;
    table->count++;
    return 1;
}

void table_remove(struct table *table, struct table_link *link)
{
    struct table_link **at = &table->buckets[link->hash & table->mask];

    while (*at != link) {
        CHECK(*at != NULL);
        at = &(*at)->next;
    }
    *at = link->next;
    link->next = NULL;
    table->count--;
}

struct table_link *table_pop(struct table *table)
{
    for (size_t i = 0; table->count > 0 && i <= table->mask; i++) {
        struct table_link *link = table->buckets[i];

        if (link != NULL) {
            table->buckets[i] = link->next;
            table->count--;
            return link;
        }
    }
    return NULL;
}

void table_free(struct table *table)
{
    CHECK(table->count == 0);
    free(table->buckets);
    table->buckets = NULL;
    table->mask = 0;
}

static uint64_t mix(uint64_t h)
{
    h ^= h >> 32;
    h *= 0x9fb21c651e98df25u;
    h ^= h >> 29;
    return h;
}

uint64_t table_hash(const void *bytes, size_t length, uint64_t more)
{
    const unsigned char *at = bytes;
    uint64_t h, word = 0;

    pthread_once(&seed_once, seed_make);
    h = mix(seed ^ more ^ length);
    for (; length >= sizeof word; at += sizeof word, length -= sizeof word) {
        memcpy(&word, at, sizeof word);
        h = mix(h ^ word) * 0x9e3779b97f4a7c15u;
    }
    word = 0;
    if (length > 0)
        memcpy(&word, at, length);
    return mix(mix(h ^ word) + seed);
}
