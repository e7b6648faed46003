/* SPDX-License-Identifier: PostgreSQL
 * routines - finds what an identifier may do to a session's state. Every word of every query text comes by
 * here when a database has suspicious functions: one look at a small table sends nearly all of them away. */
#include "gateway/session/routines.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/session/statement.h"

enum { LENGTHS = ROUTINE_KEY_BYTES + 1, GENERAL_ENTRIES = 2 };

struct routines {
    _Atomic int references;
    uint32_t firsts[LENGTHS];      /* by length of the key: a set of first letters */
    struct routine *foreign;       /* what all names with other bytes than ASCII do; NULL: there are none */
    size_t count;                  /* of entries, without the general ones */
    size_t mask;                   /* slots - 1 */
    const struct routine **slots;  /* open addressing; half of them are free at least */
    struct routine always, on_ddl;
    struct routine other;          /* what `foreign` points to */
    struct routine *entries;
    char *texts;
};

static unsigned char folded(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

size_t routine_key(const char *name, size_t length, char *key)
{
    size_t used = length <= ROUTINE_KEY_BYTES ? length : ROUTINE_KEY_BYTES;

    for (size_t i = 0; i < used; i++)
        key[i] = (char)folded(name[i]);
    return used;
}

static uint32_t first_bit(char first)
{
    return 1u << (folded(first) & 31);
}

static uint64_t key_hash(const char *key, size_t length)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ folded(key[i])) * 0x100000001b3u;
    return hash ^ hash >> 29;
}

static bool is_ascii(const char *name, size_t length)
{
    unsigned char all = 0;

    for (size_t i = 0; i < length; i++)
        all |= (unsigned char)name[i];
    return all < 0x80;
}

static bool key_is(const char *key, const char *name, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)key[i] != folded(name[i]))
            return false;
    return key[length] == '\0';
}

const struct routine *routines_find(const struct routines *routines, const char *name, size_t length)
{
    size_t used = length <= ROUTINE_KEY_BYTES ? length : ROUTINE_KEY_BYTES;

    if (routines->foreign != NULL && !is_ascii(name, length))
        return routines->foreign;
    if (used == 0 || (routines->firsts[used] & first_bit(*name)) == 0)
        return NULL;
    for (uint64_t at = key_hash(name, used);; at++) {
        const struct routine *found = routines->slots[at & routines->mask];

        if (found == NULL || key_is(found->name, name, used))
            return found;
    }
}

bool routines_empty(const struct routines *routines)
{
    return routines->count == 0 && routines_always(routines) == NULL && routines_on_ddl(routines) == NULL;
}

size_t routines_count(const struct routines *routines)
{
    return routines->count;
}

const struct routine *routines_at(const struct routines *routines, size_t i)
{
    return i < routines->count ? &routines->entries[GENERAL_ENTRIES + i] : NULL;
}

const struct routine *routines_always(const struct routines *routines)
{
    return routine_is_suspicious(&routines->always) ? &routines->always : NULL;
}

const struct routine *routines_on_ddl(const struct routines *routines)
{
    return routine_is_suspicious(&routines->on_ddl) ? &routines->on_ddl : NULL;
}

struct routines *routines_retain(struct routines *routines)
{
    if (routines != NULL)
        atomic_fetch_add(&routines->references, 1);
    return routines;
}

void routines_release(struct routines *routines)
{
    if (routines == NULL || atomic_fetch_sub(&routines->references, 1) > 1)
        return;
    free(routines->slots);
    free(routines->entries);
    free(routines->texts);
    free(routines);
}

/* Bytes of all names, and of the lists of settings behind them. */
static size_t texts_room(const struct routine *entries, size_t count)
{
    size_t room = 1;

    for (size_t i = 0; i < count; i++) {
        room += strlen(entries[i].name) + 1 + sizeof(char *); /* the list has to be aligned */
        for (uint32_t j = 0; j < entries[i].setting_count; j++)
            room += strlen(entries[i].settings[j]) + 1 + sizeof(char *);
    }
    return room;
}

static char *text_copy(char **at, const char *text)
{
    char *copy = *at;

    strcpy(copy, text);
    *at += strlen(text) + 1;
    return copy;
}

static void entry_copy(struct routine *copy, const struct routine *entry, char **at)
{
    const char **settings;

    *copy = *entry;
    copy->name = text_copy(at, entry->name);
    *at += -(uintptr_t)*at & (sizeof(char *) - 1);
    settings = (const char **)(void *)*at;
    *at += entry->setting_count * sizeof(char *);
    for (uint32_t i = 0; i < entry->setting_count; i++)
        settings[i] = text_copy(at, entry->settings[i]);
    copy->settings = settings;
}

/* One entry for all names that a session may spell in an encoding of its own. */
static void foreign_add(struct routines *routines, const struct routine *entry)
{
    struct routine *other = &routines->other;

    routines->foreign = other;
    other->name = "";
    routine_add(other, entry);
    other->settings_all = other->settings_all || entry->setting_count > 0;
}

static void slot_fill(struct routines *routines, const struct routine *entry)
{
    size_t length = strlen(entry->name);
    uint64_t at = key_hash(entry->name, length);

    while (routines->slots[at & routines->mask] != NULL)
        at++;
    routines->slots[at & routines->mask] = entry;
    if (length > 0)
        routines->firsts[length] |= first_bit(*entry->name);
    if (!is_ascii(entry->name, length))
        foreign_add(routines, entry);
}

struct routines *routines_new(const struct routine *entries, size_t count)
{
    struct routines *routines = calloc(1, sizeof *routines);
    size_t slots = 8;
    char *at;

    if (routines == NULL)
        return NULL;
    atomic_init(&routines->references, 1);
    while (slots < count * 2)
        slots *= 2;
    routines->mask = slots - 1;
    routines->slots = calloc(slots, sizeof *routines->slots);
    routines->entries = calloc(count, sizeof *routines->entries);
    routines->texts = at = calloc(1, texts_room(entries, count));
    if (routines->slots == NULL || routines->entries == NULL || routines->texts == NULL) {
        routines_release(routines);
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        entry_copy(&routines->entries[i], &entries[i], &at);
    routines->always = routines->entries[0];
    routines->on_ddl = routines->entries[1];
    routines->count = count - GENERAL_ENTRIES;
    for (size_t i = GENERAL_ENTRIES; i < count; i++)
        slot_fill(routines, &routines->entries[i]);
    return routines;
}
