/* SPDX-License-Identifier: PostgreSQL
 * prepared - protocol-level prepared statements shared across clients. */
#include "gateway/session/prepared.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"

void statements_open(struct statements *statements)
{
    memset(statements, 0, sizeof *statements);
    for (int i = 0; i < STATEMENT_STRIPES; i++)
        pthread_mutex_init(&statements->stripes[i].lock, NULL);
}

void statements_close(struct statements *statements)
{
    for (int i = 0; i < STATEMENT_STRIPES; i++) {
        CHECK(statements->stripes[i].table.count == 0);
        table_free(&statements->stripes[i].table);
        pthread_mutex_destroy(&statements->stripes[i].lock);
    }
}

static bool is_same(const struct statement *statement, const struct parse_fields *parse)
{
    return statement->query_bytes == parse->query_length + 1 &&
           statement->types_bytes == parse->types_bytes &&
           memcmp(statement->bytes, parse->query, parse->query_length) == 0 &&
           memcmp(statement->bytes + statement->query_bytes, parse->types, parse->types_bytes) == 0;
}

static struct statement *statement_new(struct statements *statements, const struct parse_fields *parse)
{
    struct statement *statement = malloc(sizeof *statement + parse->query_length + 1 + parse->types_bytes);

    if (statement == NULL)
        return NULL;
    memset(statement, 0, sizeof *statement);
    statement->home = statements;
    statement->id = atomic_fetch_add(&statements->next_id, 1) + 1;
    statement->query_bytes = parse->query_length + 1;
    statement->types_bytes = parse->types_bytes;
    memcpy(statement->bytes, parse->query, parse->query_length);
    statement->bytes[parse->query_length] = '\0';
    memcpy(statement->bytes + statement->query_bytes, parse->types, parse->types_bytes);
    return statement;
}

struct statement *statement_intern(struct statements *statements, const struct parse_fields *parse)
{
    uint64_t hash = table_hash(parse->query, parse->query_length, parse->types_bytes);
    struct table *table = &statements->stripes[hash >> 60].table;
    pthread_mutex_t *lock = &statements->stripes[hash >> 60].lock;
    struct statement *found = NULL;

    pthread_mutex_lock(lock);
    for (struct table_link *link = table_find(table, hash); link != NULL && found == NULL;
         link = table_next(link))
        if (is_same(table_entry(link, struct statement, link), parse))
            found = table_entry(link, struct statement, link);
    if (found == NULL) {
        found = statement_new(statements, parse);
        if (found != NULL && !table_add(table, &found->link, hash)) {
            free(found);
            found = NULL;
        }
    }
    if (found != NULL)
        atomic_fetch_add(&found->references, 1);
    pthread_mutex_unlock(lock);
    return found;
}

uint64_t statements_number(struct statements *statements)
{
    return atomic_fetch_add(&statements->parses, 1) + 1;
}

void statement_retain(struct statement *statement)
{
    atomic_fetch_add_explicit(&statement->references, 1, memory_order_relaxed);
}

/* The last reference goes under the stripe's lock, so that nobody finds a statement that is being freed. */
void statement_release(struct statement *statement)
{
    int references = atomic_load(&statement->references);
    size_t stripe = statement->link.hash >> 60;
    struct statements *home = statement->home;

    while (references > 1)
        if (atomic_compare_exchange_weak(&statement->references, &references, references - 1))
            return;
    pthread_mutex_lock(&home->stripes[stripe].lock);
    if (atomic_fetch_sub(&statement->references, 1) == 1) {
        table_remove(&home->stripes[stripe].table, &statement->link);
        free(statement);
    }
    pthread_mutex_unlock(&home->stripes[stripe].lock);
}

void statement_name(const struct statement *statement, char name[STATEMENT_NAME_BYTES])
{
    snprintf(name, STATEMENT_NAME_BYTES, "pgsluice_%llx", (unsigned long long)statement->id);
}

struct prepared_name *names_find(const struct prepared_names *names, const char *name)
{
    uint64_t hash;

    if (names->table.count == 0)
        return NULL;
    hash = table_hash(name, strlen(name), 0);
    for (struct table_link *link = table_find(&names->table, hash); link != NULL; link = table_next(link)) {
        struct prepared_name *found = table_entry(link, struct prepared_name, link);

        if (strcmp(found->name, name) == 0)
            return found;
    }
    return NULL;
}

struct prepared_name *names_add(struct prepared_names *names, const char *name, struct statement *statement,
                                uint64_t number)
{
    size_t length = strlen(name);
    struct prepared_name *added = malloc(sizeof *added + length + 1);

    if (added == NULL)
        return NULL;
    memset(added, 0, sizeof *added);
    memcpy(added->name, name, length + 1);
    if (!table_add(&names->table, &added->link, table_hash(name, length, 0))) {
        free(added);
        return NULL;
    }
    statement_retain(statement);
    added->statement = statement;
    added->number = number;
    added->references = 1;
    added->listed = true;
    return added;
}

void name_retain(struct prepared_name *name)
{
    name->references++;
}

void name_release(struct prepared_name *name)
{
    CHECK(name->references > 0);
    if (--name->references > 0)
        return;
    CHECK(!name->listed);
    statement_release(name->statement);
    free(name);
}

void names_remove(struct prepared_names *names, struct prepared_name *name)
{
    if (!name->listed)
        return;
    name->listed = false;
    table_remove(&names->table, &name->link);
    name_release(name);
}

void names_restore(struct prepared_names *names, struct prepared_name *name)
{
    if (name->listed || names_find(names, name->name) != NULL ||
        !table_add(&names->table, &name->link, table_hash(name->name, strlen(name->name), 0)))
        return;
    name->listed = true;
    name->references++;
}

void names_clear(struct prepared_names *names)
{
    for (struct table_link *link; (link = table_pop(&names->table)) != NULL;) {
        struct prepared_name *name = table_entry(link, struct prepared_name, link);

        name->listed = false;
        name_release(name);
    }
    table_free(&names->table);
}

bool unnamed_set(struct unnamed *unnamed, const void *body, size_t bytes)
{
    if (unnamed->room < bytes) {
        char *wider = realloc(unnamed->body, bytes * 2);

        if (wider == NULL)
            return false;
        unnamed->body = wider;
        unnamed->room = bytes * 2;
    }
    memcpy(unnamed->body, body, bytes);
    unnamed->bytes = bytes;
    unnamed->known = true;
    return true;
}

void unnamed_free(struct unnamed *unnamed)
{
    free(unnamed->body);
    memset(unnamed, 0, sizeof *unnamed);
}

void set_init(struct prepared_set *set)
{
    memset(set, 0, sizeof *set);
    list_init(&set->recent);
}

static uint64_t id_hash(const struct statement *statement)
{
    return statement->id * 0x9e3779b97f4a7c15u >> 7;
}

static struct prepared_entry *set_find(struct prepared_set *set, const struct statement *statement)
{
    for (struct table_link *link = table_find(&set->table, id_hash(statement)); link != NULL;
         link = table_next(link)) {
        struct prepared_entry *entry = table_entry(link, struct prepared_entry, link);

        if (entry->statement == statement)
            return entry;
    }
    return NULL;
}

enum set_state set_look(struct prepared_set *set, const struct statement *statement, uint64_t batch,
                        uint64_t number)
{
    struct prepared_entry *entry = set_find(set, statement);

    if (entry == NULL)
        return SET_MISSING;
    list_remove(&entry->recency);
    list_push(&set->recent, &entry->recency);
    if (entry->number < number)
        return SET_DOUBTFUL;
    return entry->confirmed || entry->batch == batch ? SET_READY : SET_DOUBTFUL;
}

bool set_add(struct prepared_set *set, struct statement *statement, uint64_t batch, uint64_t number)
{
    struct prepared_entry *entry = set_find(set, statement);

    if (entry == NULL) {
        entry = calloc(1, sizeof *entry);
        if (entry == NULL || !table_add(&set->table, &entry->link, id_hash(statement))) {
            free(entry);
            return false;
        }
        statement_retain(statement);
        entry->statement = statement;
        list_init(&entry->recency);
        list_push(&set->recent, &entry->recency);
    }
    entry->batch = batch;
    entry->number = number;
    entry->confirmed = false;
    return true;
}

void set_confirm(struct prepared_set *set, const struct statement *statement)
{
    struct prepared_entry *entry = set_find(set, statement);

    if (entry != NULL)
        entry->confirmed = true;
}

bool set_doubt(struct prepared_set *set, struct statement *statement)
{
    return set_add(set, statement, UINT64_MAX, 0);
}

static void entry_free(struct prepared_set *set, struct prepared_entry *entry)
{
    table_remove(&set->table, &entry->link);
    list_remove(&entry->recency);
    statement_release(entry->statement);
    free(entry);
}

void set_remove(struct prepared_set *set, const struct statement *statement)
{
    struct prepared_entry *entry = set_find(set, statement);

    if (entry != NULL)
        entry_free(set, entry);
}

void set_clear(struct prepared_set *set)
{
    while (!list_empty(&set->recent))
        entry_free(set, list_entry(set->recent.next, struct prepared_entry, recency));
    table_free(&set->table);
}

struct statement *set_surplus(struct prepared_set *set, size_t limit)
{
    if (set->table.count <= limit)
        return NULL;
    return list_entry(set->recent.prev, struct prepared_entry, recency)->statement;
}
