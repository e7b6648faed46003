/* SPDX-License-Identifier: PostgreSQL
 * lookup_cache - answers about users, for as long as they are believed; any thread may read and drop them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lookup_cache;
struct upstream;

enum { LOOKUP_CACHE_ENTRIES = 10000 };

/* What is asked about a user: LOOKUP_SECRET the text of pg_authid.rolpassword, LOOKUP_ROLES the names of the
 * roles that it is a member of, itself among them. */
enum lookup_kind { LOOKUP_SECRET, LOOKUP_ROLES };

/* The question: upstream is compared as a pointer, the user byte by byte. */
struct lookup_key {
    enum lookup_kind kind;
    struct upstream *upstream;
    const char *user;
};

/* Each text ends with a NUL: one secret, or any number of role names. NULL with 0 bytes: there is nothing,
 * the user may not log in. */
struct lookup_text {
    char *text;
    size_t bytes;
};

/* A copy in memory of its own, for lookup_text_free; false when out of memory. */
bool lookup_text_copy(const struct lookup_text *from, struct lookup_text *to);
/* Wipes and frees. */
void lookup_text_free(struct lookup_text *text);

/* An empty cache, or NULL when out of memory. */
struct lookup_cache *lookup_cache_new(void);
void lookup_cache_free(struct lookup_cache *cache);

/* Copies a text in until expires_us, in place of an older answer; beyond LOOKUP_CACHE_ENTRIES the one that
 * was stored first goes. Out of memory: nothing is stored. */
void lookup_cache_put(struct lookup_cache *cache, const struct lookup_key *key,
                      const struct lookup_text *text, uint64_t expires_us);
/* False when nothing is known at now_us; else *out is a copy, for lookup_text_free. */
bool lookup_cache_get(struct lookup_cache *cache, const struct lookup_key *key, uint64_t now_us,
                      struct lookup_text *out);
/* Both drop and wipe: what is known about one key; everything. */
void lookup_cache_drop(struct lookup_cache *cache, const struct lookup_key *key);
void lookup_cache_clear(struct lookup_cache *cache);
size_t lookup_cache_count(struct lookup_cache *cache);
