/* SPDX-License-Identifier: PostgreSQL
 * lookup_cache - answers about users, for as long as they are believed; any thread may read and drop them. */
#include "gateway/auth/lookup_cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/list.h"
#include "gateway/base/table.h"

struct entry {
    struct table_link hashed;
    struct list aged; /* in `oldest_first` */
    enum lookup_kind kind;
    struct upstream *upstream;
    uint64_t expires_us;
    struct lookup_text text;
    char user[];
};

struct lookup_cache {
    pthread_mutex_t lock;
    struct table table;       /* [l] */
    struct list oldest_first; /* [l] in the order in which they were stored */
};

bool lookup_text_copy(const struct lookup_text *from, struct lookup_text *to)
{
    *to = (struct lookup_text){ 0 };
    if (from->text == NULL)
        return true;
    to->text = malloc(from->bytes);
    if (to->text == NULL)
        return false;
    memcpy(to->text, from->text, from->bytes);
    to->bytes = from->bytes;
    return true;
}

void lookup_text_free(struct lookup_text *text)
{
    if (text->text != NULL)
        explicit_bzero(text->text, text->bytes);
    free(text->text);
    *text = (struct lookup_text){ 0 };
}

struct lookup_cache *lookup_cache_new(void)
{
    struct lookup_cache *cache = calloc(1, sizeof *cache);

    if (cache == NULL)
        return NULL;
    pthread_mutex_init(&cache->lock, NULL);
    list_init(&cache->oldest_first);
    return cache;
}

static uint64_t key_hash(const struct lookup_key *key)
{
    return table_hash(key->user, strlen(key->user), (uintptr_t)key->upstream + (uint64_t)key->kind);
}

static struct entry *find(struct lookup_cache *cache, const struct lookup_key *key)
{
    for (struct table_link *link = table_find(&cache->table, key_hash(key)); link != NULL;
         link = table_next(link)) {
        struct entry *entry = table_entry(link, struct entry, hashed);

        if (entry->kind == key->kind && entry->upstream == key->upstream &&
            strcmp(entry->user, key->user) == 0)
            return entry;
    }
    return NULL;
}

static void drop(struct lookup_cache *cache, struct entry *entry)
{
    if (entry == NULL)
        return;
    table_remove(&cache->table, &entry->hashed);
    list_remove(&entry->aged);
    lookup_text_free(&entry->text);
    free(entry);
}

static struct entry *entry_new(const struct lookup_key *key, const struct lookup_text *text)
{
    size_t bytes = strlen(key->user) + 1;
    struct entry *entry = calloc(1, sizeof *entry + bytes);

    if (entry == NULL || !lookup_text_copy(text, &entry->text)) {
        free(entry);
        return NULL;
    }
    entry->kind = key->kind;
    entry->upstream = key->upstream;
    memcpy(entry->user, key->user, bytes);
    return entry;
}

void lookup_cache_put(struct lookup_cache *cache, const struct lookup_key *key,
                      const struct lookup_text *text, uint64_t expires_us)
{
    struct entry *entry = entry_new(key, text);

    pthread_mutex_lock(&cache->lock);
    drop(cache, find(cache, key)); /* even when there is no memory for what replaces it */
    if (entry != NULL && table_add(&cache->table, &entry->hashed, key_hash(key))) {
        entry->expires_us = expires_us;
        list_append(&cache->oldest_first, &entry->aged);
        entry = NULL;
    }
    if (cache->table.count > LOOKUP_CACHE_ENTRIES)
        drop(cache, list_entry(cache->oldest_first.next, struct entry, aged));
    pthread_mutex_unlock(&cache->lock);
    if (entry != NULL)
        lookup_text_free(&entry->text);
    free(entry);
}

bool lookup_cache_get(struct lookup_cache *cache, const struct lookup_key *key, uint64_t now_us,
                      struct lookup_text *out)
{
    struct entry *entry;
    bool known;

    *out = (struct lookup_text){ 0 };
    pthread_mutex_lock(&cache->lock);
    entry = find(cache, key);
    if (entry != NULL && now_us >= entry->expires_us) {
        drop(cache, entry);
        entry = NULL;
    }
    known = entry != NULL && lookup_text_copy(&entry->text, out);
    pthread_mutex_unlock(&cache->lock);
    return known;
}

void lookup_cache_drop(struct lookup_cache *cache, const struct lookup_key *key)
{
    pthread_mutex_lock(&cache->lock);
    drop(cache, find(cache, key));
    pthread_mutex_unlock(&cache->lock);
}

void lookup_cache_clear(struct lookup_cache *cache)
{
    pthread_mutex_lock(&cache->lock);
    while (!list_empty(&cache->oldest_first))
        drop(cache, list_entry(cache->oldest_first.next, struct entry, aged));
    pthread_mutex_unlock(&cache->lock);
}

size_t lookup_cache_count(struct lookup_cache *cache)
{
    size_t count;

    pthread_mutex_lock(&cache->lock);
    count = cache->table.count;
    pthread_mutex_unlock(&cache->lock);
    return count;
}

void lookup_cache_free(struct lookup_cache *cache)
{
    if (cache == NULL)
        return;
    lookup_cache_clear(cache);
    table_free(&cache->table);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}
