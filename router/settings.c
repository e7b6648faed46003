/* SPDX-License-Identifier: PostgreSQL
 * settings - interned sets of settings that sessions changed since their startup. */
#include "router/settings.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"

void settings_open(struct settings_home *home)
{
    memset(home, 0, sizeof *home);
    for (int i = 0; i < SETTINGS_STRIPES; i++)
        pthread_mutex_init(&home->stripes[i].lock, NULL);
}

void settings_close(struct settings_home *home)
{
    for (int i = 0; i < SETTINGS_STRIPES; i++) {
        CHECK(home->stripes[i].table.count == 0);
        table_free(&home->stripes[i].table);
        pthread_mutex_destroy(&home->stripes[i].lock);
    }
}

enum trait { TRAIT_SAFE = 1, TRAIT_MEANING = 2, TRAIT_HURRIES = 4, TRAIT_CUSTOM = 8 };

/* What is known about a setting; those that are not listed may fail on another server. */
static int setting_traits(const char *name)
{
    static const struct {
        const char *name;
        int traits;
    } rows[] = {
#define SETTING(name, traits) {name, traits},
#define SAFE TRAIT_SAFE
#define MEANING TRAIT_MEANING
#define HURRIES TRAIT_HURRIES
#include "router/settings.def"
#undef SAFE
#undef MEANING
#undef HURRIES
#undef SETTING
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].name, name) == 0)
            return rows[i].traits;
    return strncmp(name, "enable_", 7) == 0 ? TRAIT_SAFE : 0;
}

static bool is_custom(const char *name)
{
    return strchr(name, '.') != NULL;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct setting *)a)->name, ((const struct setting *)b)->name);
}

static size_t drop_doubles(struct setting *items, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        if (i + 1 < count && strcmp(items[i].name, items[i + 1].name) == 0)
            continue;
        items[kept++] = items[i];
    }
    return kept;
}

static uint64_t items_hash(const struct setting *items, size_t count)
{
    uint64_t hash = count;

    for (size_t i = 0; i < count; i++) {
        hash = table_hash(items[i].name, strlen(items[i].name), hash);
        hash = table_hash(items[i].value, strlen(items[i].value), hash);
    }
    return hash;
}

static bool is_same(const struct settings *set, const struct setting *items, size_t count)
{
    if (set->count != count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (strcmp(set->items[i].name, items[i].name) != 0 ||
            strcmp(set->items[i].value, items[i].value) != 0)
            return false;
    return true;
}

struct parts {
    struct settings_part customs, meaning;
};

static struct settings *set_new(const struct setting *items, size_t count, const struct parts *parts)
{
    size_t bytes = sizeof(struct settings) + count * sizeof *items;
    struct settings *set;
    char *at;

    for (size_t i = 0; i < count; i++)
        bytes += strlen(items[i].name) + strlen(items[i].value) + 2;
    set = calloc(1, bytes);
    if (set == NULL)
        return NULL;
    set->customs = parts->customs;
    set->meaning = parts->meaning;
    set->count = count;
    at = (char *)&set->items[count];
    for (size_t i = 0; i < count; i++) {
        int traits = setting_traits(items[i].name);

        set->fails = set->fails || (traits & TRAIT_SAFE) == 0;
        set->hurries = set->hurries || (traits & TRAIT_HURRIES) != 0;
        set->encodes = set->encodes || strcmp(items[i].name, "client_encoding") == 0;
        set->items[i] = (struct setting){at, at + strlen(items[i].name) + 1};
        at = stpcpy(at, items[i].name) + 1;
        at = stpcpy(at, items[i].value) + 1;
    }
    return set;
}

static void release_parts(const struct parts *parts)
{
    settings_release(parts->customs.part);
    settings_release(parts->meaning.part);
}

/* The references in `parts` pass to the set, or are released. */
static bool find_or_add(struct settings_home *home, const struct setting *items, size_t count,
                        const struct parts *parts, const struct settings **found)
{
    uint64_t hash = items_hash(items, count);
    struct table *table = &home->stripes[hash >> 60].table;
    pthread_mutex_t *lock = &home->stripes[hash >> 60].lock;
    struct settings *set = NULL;
    bool known;

    pthread_mutex_lock(lock);
    for (struct table_link *link = table_find(table, hash); link != NULL && set == NULL;
         link = table_next(link))
        if (is_same(table_entry(link, struct settings, link), items, count))
            set = table_entry(link, struct settings, link);
    known = set != NULL;
    if (!known)
        set = set_new(items, count, parts);
    if (set != NULL && !known && !table_add(table, &set->link, hash)) {
        free(set);
        set = NULL;
    }
    if (set != NULL && !known)
        set->home = home;
    if (set != NULL)
        atomic_fetch_add(&set->references, 1);
    pthread_mutex_unlock(lock);
    if (known || set == NULL)
        release_parts(parts);
    *found = set;
    return set != NULL;
}

static bool belongs(const struct setting *item, enum trait trait)
{
    return trait == TRAIT_CUSTOM ? is_custom(item->name) : (setting_traits(item->name) & (int)trait) != 0;
}

/* The part of the items that has this trait, interned before the set that it is a part of. A part is made of
 * itself, so that this ends with the second level. */
static bool part_of(struct settings_home *home, const struct setting *items, size_t count, enum trait trait,
                    struct settings_part *part)
{
    struct setting kept[SETTINGS_MAX];
    size_t used = 0;
    bool same = true;

    *part = (struct settings_part){false, NULL};
    for (size_t i = 0; i < count; i++) {
        if (!belongs(&items[i], trait))
            continue;
        same = same && (trait != TRAIT_CUSTOM || items[i].value[0] == '\0');
        kept[used] = items[i];
        if (trait == TRAIT_CUSTOM)
            kept[used].value = "";
        used++;
    }
    part->whole = used == count && same;
    return used == 0 || part->whole || settings_intern(home, kept, used, &part->part);
}

bool settings_intern(struct settings_home *home, struct setting *items, size_t count,
                     const struct settings **set)
{
    struct parts parts = {{false, NULL}, {false, NULL}};

    *set = NULL;
    if (count > SETTINGS_MAX)
        return false;
    if (count == 0)
        return true;
    qsort(items, count, sizeof *items, by_name);
    count = drop_doubles(items, count);
    if (!part_of(home, items, count, TRAIT_CUSTOM, &parts.customs) ||
        !part_of(home, items, count, TRAIT_MEANING, &parts.meaning)) {
        release_parts(&parts);
        return false;
    }
    return find_or_add(home, items, count, &parts, set);
}

void settings_retain(const struct settings *set)
{
    if (set != NULL)
        atomic_fetch_add_explicit(&((struct settings *)(uintptr_t)set)->references, 1, memory_order_relaxed);
}

/* The last reference goes under the stripe's lock, so that nobody finds a set that is being freed. */
void settings_release(const struct settings *shared)
{
    struct settings *set = (struct settings *)(uintptr_t)shared;
    pthread_mutex_t *lock;
    struct parts parts;
    int references;

    if (set == NULL)
        return;
    references = atomic_load(&set->references);
    lock = &set->home->stripes[set->link.hash >> 60].lock;
    while (references > 1)
        if (atomic_compare_exchange_weak(&set->references, &references, references - 1))
            return;
    pthread_mutex_lock(lock);
    if (atomic_fetch_sub(&set->references, 1) > 1) {
        pthread_mutex_unlock(lock);
        return;
    }
    table_remove(&set->home->stripes[set->link.hash >> 60].table, &set->link);
    pthread_mutex_unlock(lock);
    parts = (struct parts){set->customs, set->meaning};
    free(set);
    release_parts(&parts);
}

static const struct settings *part_get(const struct settings *set, const struct settings_part *part)
{
    return part->whole ? set : part->part;
}

const struct settings *settings_customs(const struct settings *set)
{
    return set == NULL ? NULL : part_get(set, &set->customs);
}

const struct settings *settings_meaning(const struct settings *set)
{
    return set == NULL ? NULL : part_get(set, &set->meaning);
}

const char *settings_value(const struct settings *set, const char *name)
{
    for (size_t i = 0; set != NULL && i < set->count; i++)
        if (strcmp(set->items[i].name, name) == 0)
            return set->items[i].value;
    return NULL;
}

bool settings_cover(const struct settings *wanted, const struct settings *customs, const char *sets)
{
    if (customs == NULL || customs == settings_customs(wanted))
        return true;
    for (size_t i = 0; i < customs->count; i++)
        if (settings_value(wanted, customs->items[i].name) == NULL &&
            (sets == NULL || strcmp(sets, customs->items[i].name) != 0))
            return false;
    return true;
}

bool settings_join_customs(struct settings_home *home, const struct settings *one,
                           const struct settings *other, const struct settings **joined)
{
    struct setting items[2 * SETTINGS_MAX];
    size_t count = 0;

    one = settings_customs(one);
    other = settings_customs(other);
    if (one == other || other == NULL) {
        settings_retain(one);
        *joined = one;
        return true;
    }
    for (size_t i = 0; one != NULL && i < one->count; i++)
        items[count++] = one->items[i];
    for (size_t i = 0; i < other->count; i++)
        if (settings_value(one, other->items[i].name) == NULL)
            items[count++] = other->items[i];
    return settings_intern(home, items, count, joined);
}
