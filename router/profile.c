/* SPDX-License-Identifier: PostgreSQL
 * profile - an interned set of startup parameters. */
#include "router/profile.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "conf/snapshot.h"

void profiles_open(struct profiles *profiles)
{
    memset(profiles, 0, sizeof *profiles);
    pthread_mutex_init(&profiles->lock, NULL);
}

static void profile_free(struct profile *profile)
{
    struct welcome *welcome = atomic_load(&profile->welcome), *older;

    for (; welcome != NULL; welcome = older) {
        older = welcome->older;
        free(welcome);
    }
    for (size_t i = 0; i < profile->count; i++) {
        free((void *)(uintptr_t)profile->parameters[i].name);
        free((void *)(uintptr_t)profile->parameters[i].value);
    }
    free(profile->parameters);
    free(profile);
}

void profiles_close(struct profiles *profiles)
{
    for (struct table_link *link; (link = table_pop(&profiles->table)) != NULL;)
        profile_free(table_entry(link, struct profile, link));
    table_free(&profiles->table);
    pthread_mutex_destroy(&profiles->lock);
}

static bool belongs(const char *name)
{
    return strcmp(name, "user") != 0 && strcmp(name, "database") != 0 && strcmp(name, "replication") != 0 &&
           strcmp(name, "application_name") != 0 && strncmp(name, "_pq_.", 5) != 0;
}

static int by_name(const void *a, const void *b)
{
    return strcasecmp(((const struct startup_parameter *)a)->name,
                      ((const struct startup_parameter *)b)->name);
}

static bool named(const struct startup_parameter *set, size_t count, const char *name, size_t *at)
{
    for (*at = 0; *at < count; ++*at)
        if (strcasecmp(set[*at].name, name) == 0)
            return true;
    return false;
}

/* The set in a defined order: one entry a name, the last one sent wins, the route's settings beneath. */
static size_t collect(struct startup_parameter *set, const struct startup *startup,
                      const struct pairs *settings)
{
    size_t count = 0, at;

    for (size_t i = 0; i < settings->count && count < STARTUP_MAX_PARAMETERS; i++) {
        set[count].name = settings->items[i].name;
        set[count++].value = settings->items[i].value;
    }
    for (size_t i = 0; i < startup->parameter_count; i++) {
        const struct startup_parameter *parameter = &startup->parameters[i];

        if (!belongs(parameter->name))
            continue;
        if (named(set, count, parameter->name, &at))
            set[at] = *parameter;
        else if (count < 2 * STARTUP_MAX_PARAMETERS)
            set[count++] = *parameter;
    }
    qsort(set, count, sizeof *set, by_name);
    return count;
}

static uint64_t set_hash(const struct startup_parameter *set, size_t count)
{
    uint64_t hash = count;

    for (size_t i = 0; i < count; i++) {
        hash = table_hash(set[i].name, strlen(set[i].name), hash);
        hash = table_hash(set[i].value, strlen(set[i].value), hash);
    }
    return hash;
}

static bool same_set(const struct profile *profile, const struct startup_parameter *set, size_t count)
{
    if (profile->count != count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (strcmp(profile->parameters[i].name, set[i].name) != 0 ||
            strcmp(profile->parameters[i].value, set[i].value) != 0)
            return false;
    return true;
}

static struct profile *profile_new(const struct startup_parameter *set, size_t count)
{
    struct profile *profile = calloc(1, sizeof *profile);

    if (profile == NULL)
        return NULL;
    profile->parameters = calloc(count + 1, sizeof *set);
    if (profile->parameters == NULL) {
        free(profile);
        return NULL;
    }
    for (; profile->count < count; profile->count++) {
        struct startup_parameter *copy = &profile->parameters[profile->count];

        copy->name = strdup(set[profile->count].name);
        copy->value = strdup(set[profile->count].value);
        if (copy->name == NULL || copy->value == NULL) {
            profile->count++;
            profile_free(profile);
            return NULL;
        }
    }
    return profile;
}

static struct profile *find_or_add(struct profiles *profiles, const struct startup_parameter *set,
                                   size_t count)
{
    uint64_t hash = set_hash(set, count);
    struct profile *profile;

    for (struct table_link *link = table_find(&profiles->table, hash); link != NULL;
         link = table_next(link)) {
        profile = table_entry(link, struct profile, link);
        if (same_set(profile, set, count))
            return profile;
    }
    if (profiles->table.count >= PROFILES_MAX)
        return NULL;
    profile = profile_new(set, count);
    if (profile != NULL && !table_add(&profiles->table, &profile->link, hash)) {
        profile_free(profile);
        return NULL;
    }
    return profile;
}

struct profile *profiles_intern(struct profiles *profiles, const struct startup *startup,
                                const struct pairs *settings)
{
    struct startup_parameter set[2 * STARTUP_MAX_PARAMETERS];
    size_t count = collect(set, startup, settings);
    struct profile *profile;

    pthread_mutex_lock(&profiles->lock);
    profile = find_or_add(profiles, set, count);
    pthread_mutex_unlock(&profiles->lock);
    return profile;
}

void profile_set_welcome(struct profiles *profiles, struct profile *profile, const void *bytes, size_t length,
                         uint64_t epoch)
{
    struct welcome *fresh = malloc(sizeof *fresh + length);

    if (fresh == NULL)
        return;
    fresh->length = length;
    memcpy(fresh->bytes, bytes, length);
    pthread_mutex_lock(&profiles->lock);
    fresh->older = atomic_load(&profile->welcome);
    if (fresh->older != NULL && fresh->older->length == length &&
        memcmp(fresh->older->bytes, bytes, length) == 0)
        free(fresh);
    else
        atomic_store(&profile->welcome, fresh);
    atomic_store(&profile->epoch, epoch);
    pthread_mutex_unlock(&profiles->lock);
}

const struct welcome *profile_remember_welcome(struct profiles *profiles, struct profile *profile,
                                               const void *bytes, size_t length)
{
    struct welcome *found, *newest;

    pthread_mutex_lock(&profiles->lock);
    newest = atomic_load(&profile->welcome);
    for (found = newest; found != NULL; found = found->older)
        if (found->length == length && memcmp(found->bytes, bytes, length) == 0)
            break;
    if (found == NULL && (found = malloc(sizeof *found + length)) != NULL) {
        found->length = length;
        memcpy(found->bytes, bytes, length);
        found->older = newest == NULL ? NULL : newest->older;
        if (newest == NULL)
            atomic_store(&profile->welcome, found);
        else
            newest->older = found;
    }
    pthread_mutex_unlock(&profiles->lock);
    return found;
}
