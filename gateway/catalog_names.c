/* SPDX-License-Identifier: PostgreSQL
 * catalog_names - names of custom settings that functions of one database may set. */
#include "gateway/catalog_names.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/catalog.h"
#include "gateway/session/routines.h"
#include "gateway/session/statement.h"
#include "router/shard.h"

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$';
}

static void add(struct catalog_names *names, const char *name, size_t length)
{
    char folded[SETTING_NAME_BYTES];

    if (length >= sizeof folded || names->count == CATALOG_NAMES_MAX) {
        names->more = true;
        return;
    }
    for (size_t i = 0; i < length; i++)
        folded[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + ('a' - 'A') : name[i]);
    folded[length] = '\0';
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->names[i], folded) == 0)
            return;
    names->names[names->count] = strdup(folded);
    if (names->names[names->count] == NULL)
        names->more = true;
    else
        names->count++;
}

static void take(struct catalog_names *names, const struct routine *routine)
{
    for (uint32_t i = 0; routine != NULL && i < routine->setting_count; i++)
        if (strchr(routine->settings[i], '.') != NULL)
            add(names, routine->settings[i], strlen(routine->settings[i]));
}

void catalog_names_take(struct catalog_names *names, const struct routines *routines)
{
    const struct routine *routine;

    names->known = true;
    names->computed = false;
    take(names, routines_always(routines));
    take(names, routines_on_ddl(routines));
    for (size_t i = 0; (routine = routines_at(routines, i)) != NULL; i++)
        take(names, routine);
}

void catalog_names_free(struct catalog_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->names[i]);
}

/* Words with a dot, in quotes or behind SET: too many do no harm. */
static bool may_name_setting(const char *text, size_t at)
{
    size_t end = at;

    if (at > 0 && (text[at - 1] == '\'' || text[at - 1] == '"'))
        return true;
    while (end > 0 && strchr(" \t\n\r", text[end - 1]) != NULL)
        end--;
    if (end < 3 || end == at)
        return false;
    return strncasecmp(text + end - 3, "set", 3) == 0 ||
           (end >= 7 && strncasecmp(text + end - 7, "session", 7) == 0);
}

void catalog_names_see(struct pool_shard *shard, const char *text, size_t length)
{
    struct catalog *catalog = catalog_of(shard);
    struct statement_facts body = {0};
    size_t start = 0;
    bool dotted = false;

    if (catalog == NULL)
        return;
    statement_examine_body(text, length, &body);
    pthread_mutex_lock(&catalog->lock);
    if ((body.suspects & (PIN_BIT(UNKNOWN_SETTING) | PIN_BIT(ANYTHING))) != 0)
        catalog->names.computed = true;
    for (size_t i = 0; i <= length; i++) {
        if (i < length && (is_word(text[i]) || (text[i] == '.' && i > start))) {
            dotted = dotted || text[i] == '.';
            continue;
        }
        if (dotted && may_name_setting(text, start))
            add(&catalog->names, text + start, i - start);
        start = i + 1;
        dotted = false;
    }
    pthread_mutex_unlock(&catalog->lock);
}

bool catalog_names_each(struct pool_shard *shard, void (*see)(void *owner, const char *name), void *owner)
{
    struct catalog *catalog = catalog_of(shard);
    bool all;

    if (catalog == NULL)
        return false;
    pthread_mutex_lock(&catalog->lock);
    for (size_t i = 0; i < catalog->names.count; i++)
        see(owner, catalog->names.names[i]);
    all = catalog->names.known && !catalog->names.more &&
          !(catalog->names.computed && shard->routines == NULL);
    pthread_mutex_unlock(&catalog->lock);
    return all;
}

bool catalog_names_computed(struct pool_shard *shard)
{
    struct catalog *catalog = catalog_of(shard);
    bool computed;

    if (catalog == NULL)
        return true;
    pthread_mutex_lock(&catalog->lock);
    computed = catalog->names.computed;
    pthread_mutex_unlock(&catalog->lock);
    return computed;
}
