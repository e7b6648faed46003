/* SPDX-License-Identifier: PostgreSQL
 * routines_make - a graph of names: what each does by itself, and who uses whom. At the end suspicions run
 * from the used to the users until nothing changes. */
#include "gateway/session/routines_make.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/table.h"
#include "gateway/session/routines.h"
#include "gateway/session/statement.h"

enum { NODES_MAX = 500000, USES_MAX = 8000000, GENERAL_NODES = 2 };

/* A function, relation or type by its name; several of the same name are one. */
struct node {
    struct table_link link;
    struct node *next_queued;
    bool queued;
    uint32_t number;
    uint32_t users_from;             /* where its users begin once uses are sorted */
    struct routine routine;          /* its name and settings are owned */
    char *settings[ROUTINE_SETTINGS_MAX];
    char key[ROUTINE_KEY_BYTES + 1];
};

struct use {
    uint32_t user, used;
};

struct routines_maker {
    struct table names;
    struct node **nodes;
    uint32_t node_count, node_room;
    struct use *uses;
    uint32_t use_count, use_room;
    struct node *reading;            /* whose source is being looked at */
    struct node *first_queued;
    bool failed;
};

static void node_free(struct node *node)
{
    for (uint32_t i = 0; i < node->routine.setting_count; i++)
        free(node->settings[i]);
    free(node);
}

void maker_free(struct routines_maker *maker)
{
    while (table_pop(&maker->names) != NULL)
        ;
    table_free(&maker->names);
    for (uint32_t i = 0; i < maker->node_count; i++)
        node_free(maker->nodes[i]);
    free(maker->nodes);
    free(maker->uses);
    free(maker);
}

static struct node *node_find(const struct routines_maker *maker, const char *key, size_t length)
{
    struct table_link *link = table_find(&maker->names, table_hash(key, length, 0));

    for (; link != NULL; link = table_next(link)) {
        struct node *node = table_entry(link, struct node, link);

        if (strlen(node->key) == length && memcmp(node->key, key, length) == 0)
            return node;
    }
    return NULL;
}

/* Room for one more item: the array as it is, or a wider one; NULL when out of memory or too large. */
static void *array_room(void *items, uint32_t count, uint32_t *room, uint32_t most, size_t item_bytes)
{
    uint32_t wanted = *room == 0 ? 64 : *room * 2;
    void *wider;

    if (count < *room)
        return items;
    if (count >= most)
        return NULL;
    wider = realloc(items, wanted * item_bytes);
    if (wider != NULL)
        *room = wanted;
    return wider;
}

static struct node *node_add(struct routines_maker *maker, const char *key, size_t length)
{
    struct node **nodes =
        array_room(maker->nodes, maker->node_count, &maker->node_room, NODES_MAX, sizeof *nodes);
    struct node *node;

    if (nodes == NULL)
        return NULL;
    maker->nodes = nodes;
    node = calloc(1, sizeof *node);
    if (node == NULL || !table_add(&maker->names, &node->link, table_hash(key, length, 0))) {
        free(node);
        return NULL;
    }
    memcpy(node->key, key, length);
    node->number = maker->node_count;
    nodes[maker->node_count++] = node;
    return node;
}

/* The node for a name of the catalogs, made when there is none; NULL when the maker failed. */
static struct node *node_get(struct routines_maker *maker, const char *name)
{
    char doubled[2 * ROUTINE_KEY_BYTES + 2], key[ROUTINE_KEY_BYTES];
    struct node *node;
    size_t used = 0;

    for (; *name != '\0' && used < 2 * ROUTINE_KEY_BYTES; name++) {
        if (*name == '"')
            doubled[used++] = '"';
        doubled[used++] = *name;
    }
    used = routine_key(doubled, used, key);
    node = node_find(maker, key, used);
    if (node == NULL && !maker->failed)
        node = node_add(maker, key, used);
    maker->failed = maker->failed || node == NULL;
    return node;
}

struct routines_maker *maker_new(void)
{
    struct routines_maker *maker = calloc(1, sizeof *maker);

    if (maker == NULL)
        return NULL;
    if (node_get(maker, MAKER_ALWAYS) == NULL || node_get(maker, MAKER_ON_DDL) == NULL) {
        maker_free(maker);
        return NULL;
    }
    return maker;
}

bool maker_name(struct routines_maker *maker, const char *name)
{
    return node_get(maker, name) != NULL;
}

static bool use_add(struct routines_maker *maker, const struct node *user, const struct node *used)
{
    struct use *uses = array_room(maker->uses, maker->use_count, &maker->use_room, USES_MAX, sizeof *uses);

    if (uses == NULL) {
        maker->failed = true;
        return false;
    }
    maker->uses = uses;
    uses[maker->use_count++] = (struct use){user->number, used->number};
    return true;
}

bool maker_uses(struct routines_maker *maker, const char *user, const char *used)
{
    struct node *a = node_get(maker, user), *b = node_get(maker, used);

    return a != NULL && b != NULL && (a == b || use_add(maker, a, b));
}

static void setting_add(struct node *node, const char *name)
{
    struct routine *routine = &node->routine;
    char *copy;

    for (uint32_t i = 0; i < routine->setting_count; i++)
        if (strcmp(node->settings[i], name) == 0)
            return;
    copy = routine->setting_count == ROUTINE_SETTINGS_MAX ? NULL : strdup(name);
    if (copy == NULL)
        routine->settings_all = true;
    else
        node->settings[routine->setting_count++] = copy;
}

/* True when something was new. */
static bool routine_merge(struct node *node, const struct routine *more)
{
    struct routine *routine = &node->routine, before = *routine;
    bool changed = false;

    routine_add(routine, more);
    for (uint32_t i = 0; i < more->setting_count && !routine->settings_all; i++)
        setting_add(node, more->settings[i]);
#define FLAG(field, kept) changed = changed || routine->field != before.field;
#include "gateway/session/routine_flags.def"
#undef FLAG
    return changed || routine->suspects != before.suspects
           || routine->setting_count != before.setting_count;
}

static void body_merge(struct node *node, const char *text, size_t length)
{
    const char *settings[STATEMENT_SETTINGS];
    struct statement_facts facts = {0};
    struct routine does = {.settings = settings};

    statement_examine_body(text, length, &facts);
    does.suspects = facts.suspects;
#define FLAG(field, kept) does.field = facts.field;
#include "gateway/session/routine_flags.def"
#undef FLAG
    does.settings_all = does.settings_all || facts.setting_parameter != 0; /* $1 is one of the function's */
    for (; does.setting_count < facts.settings.count; does.setting_count++)
        settings[does.setting_count] = facts.settings.names[does.setting_count];
    (void)routine_merge(node, &does);
}

bool maker_uses_builtin(struct routines_maker *maker, const char *user, const char *builtin)
{
    struct node *node = node_get(maker, user);
    char text[160];

    if (node == NULL)
        return false;
    if (strcmp(builtin, "nextval") ==
        0) /* most tables have a default of that kind, and their INSERT is noticed anyway */
        return true;
    snprintf(text, sizeof text,
             strcmp(builtin, "pg_settings") == 0 ? "UPDATE %s SET setting = 0" : "SELECT %s(a)", builtin);
    body_merge(node, text, strlen(text));
    return true;
}

static void see_identifier(void *owner, const char *name, size_t length)
{
    struct routines_maker *maker = owner;
    char key[ROUTINE_KEY_BYTES];
    struct node *used = node_find(maker, key, routine_key(name, length, key));

    if (used != NULL && used != maker->reading && used->number >= GENERAL_NODES)
        (void)use_add(maker, maker->reading, used);
}

static bool text_has(const char *text, size_t length, const char *word)
{
    size_t bytes = strlen(word);

    for (size_t i = 0; i + bytes <= length; i++)
        if (strncasecmp(text + i, word, bytes) == 0)
            return true;
    return false;
}

/* Whether a source in a language that nobody here reads may run SQL. */
static bool may_run_sql(const char *text, size_t length)
{
    static const char *const words[] = {"exec",   "spi",  "prepare",  "query",    "plpy",      "cursor",
                                        "listen", "temp", "advisory", "set_config"};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (text_has(text, length, words[i]))
            return true;
    return false;
}

bool maker_source(struct routines_maker *maker, const char *name, const char *language, const char *text,
                  size_t length)
{
    struct node *node = node_get(maker, name);

    if (node == NULL)
        return false;
    if (text == NULL) {
        node->routine.suspects |= PIN_BIT(ANYTHING);
        return true;
    }
    if (strcmp(language, "sql") != 0 && strcmp(language, "plpgsql") != 0) {
        if (may_run_sql(text, length))
            node->routine.suspects |= PIN_BIT(ANYTHING);
        return true;
    }
    body_merge(node, text, length);
    maker->reading = node;
    statement_identifiers(text, length, see_identifier, maker);
    return !maker->failed;
}

static void queue_add(struct routines_maker *maker, struct node *node)
{
    if (node->queued)
        return;
    node->queued = true;
    node->next_queued = maker->first_queued;
    maker->first_queued = node;
}

static int by_used(const void *a, const void *b)
{
    const struct use *one = a, *other = b;

    return (one->used > other->used) - (one->used < other->used);
}

/* Suspicions run from the used to their users. Each round adds a bit or a name to somebody, so it ends. */
static void spread(struct routines_maker *maker)
{
    struct node *node;

    if (maker->use_count > 0)
        qsort(maker->uses, maker->use_count, sizeof *maker->uses, by_used);
    for (uint32_t i = maker->use_count; i > 0; i--)
        maker->nodes[maker->uses[i - 1].used]->users_from = i - 1;
    for (uint32_t i = 0; i < maker->node_count; i++) {
        maker->nodes[i]->routine.settings = (const char *const *)maker->nodes[i]->settings;
        if (routine_is_suspicious(&maker->nodes[i]->routine))
            queue_add(maker, maker->nodes[i]);
    }
    while ((node = maker->first_queued) != NULL) {
        maker->first_queued = node->next_queued;
        node->queued = false;
        for (uint32_t i = node->users_from;
             i < maker->use_count && maker->uses[i].used == node->number; i++)
            if (routine_merge(maker->nodes[maker->uses[i].user], &node->routine))
                queue_add(maker, maker->nodes[maker->uses[i].user]);
    }
}

struct routines *maker_finish(struct routines_maker *maker)
{
    struct routine *entries = calloc(maker->node_count, sizeof *entries);
    struct routines *routines;
    size_t count = 0;

    if (entries == NULL)
        return NULL;
    CHECK(!maker->failed);
    spread(maker);
    for (uint32_t i = 0; i < maker->node_count; i++) {
        struct node *node = maker->nodes[i];

        node->routine.name = node->key;
        if (i < GENERAL_NODES || routine_is_suspicious(&node->routine))
            entries[count++] = node->routine;
    }
    routines = routines_new(entries, count);
    free(entries);
    return routines;
}
