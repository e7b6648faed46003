/* SPDX-License-Identifier: PostgreSQL
 * prepared - protocol-level prepared statements shared across clients. */
#include "gateway/session/prepared.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"

enum { NAME_BYTES_MAX = 63 /* PostgreSQL keeps no more of a statement's name */ };

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

static bool is_same(const struct statement *statement, const struct parse_fields *parse,
                    const struct settings *meaning)
{
    return statement->meaning == meaning && statement->query_bytes == parse->query_length + 1 &&
           statement->types_bytes == parse->types_bytes &&
           memcmp(statement->bytes, parse->query, parse->query_length) == 0 &&
           memcmp(statement->bytes + statement->query_bytes, parse->types, parse->types_bytes) == 0;
}

static struct statement *statement_new(struct statements *statements, const struct parse_fields *parse,
                                       const struct settings *meaning)
{
    struct statement *statement = malloc(sizeof *statement + parse->query_length + 1 + parse->types_bytes);

    if (statement == NULL)
        return NULL;
    memset(statement, 0, sizeof *statement);
    statement->home = statements;
    settings_retain(meaning);
    statement->meaning = meaning;
    statement->id = atomic_fetch_add(&statements->next_id, 1) + 1;
    statement->query_bytes = parse->query_length + 1;
    statement->types_bytes = parse->types_bytes;
    memcpy(statement->bytes, parse->query, parse->query_length);
    statement->bytes[parse->query_length] = '\0';
    memcpy(statement->bytes + statement->query_bytes, parse->types, parse->types_bytes);
    return statement;
}

struct statement *statement_intern(struct statements *statements, const struct parse_fields *parse,
                                   const struct settings *meaning)
{
    uint64_t hash = table_hash(parse->query, parse->query_length, parse->types_bytes);
    struct table *table = &statements->stripes[hash >> 60].table;
    pthread_mutex_t *lock = &statements->stripes[hash >> 60].lock;
    struct statement *found = NULL;

    pthread_mutex_lock(lock);
    for (struct table_link *link = table_find(table, hash); link != NULL && found == NULL;
         link = table_next(link))
        if (is_same(table_entry(link, struct statement, link), parse, meaning))
            found = table_entry(link, struct statement, link);
    if (found == NULL) {
        found = statement_new(statements, parse, meaning);
        if (found != NULL && !table_add(table, &found->link, hash)) {
            settings_release(meaning);
            free(found);
            found = NULL;
        }
    }
    if (found != NULL)
        atomic_fetch_add(&found->references, 1);
    pthread_mutex_unlock(lock);
    return found;
}

struct statement *statement_intern_again(struct statement *statement, const struct settings *meaning)
{
    const struct parse_fields parse = {"", statement->bytes, statement->query_bytes - 1,
                                       statement->bytes + statement->query_bytes, statement->types_bytes};

    return statement_intern(statement->home, &parse, meaning);
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
        settings_release(statement->meaning);
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
    hash = table_hash(name, strnlen(name, NAME_BYTES_MAX), 0);
    for (struct table_link *link = table_find(&names->table, hash); link != NULL; link = table_next(link)) {
        struct prepared_name *found = table_entry(link, struct prepared_name, link);

        if (strncmp(found->name, name, NAME_BYTES_MAX) == 0)
            return found;
    }
    return NULL;
}

struct prepared_name *names_add(struct prepared_names *names, const char *name, struct statement *statement,
                                uint64_t number)
{
    size_t length = strnlen(name, NAME_BYTES_MAX);
    struct prepared_name *added = malloc(sizeof *added + length + 1);

    if (added == NULL)
        return NULL;
    memset(added, 0, sizeof *added);
    memcpy(added->name, name, length);
    added->name[length] = '\0';
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
    free(name->facts);
    free(name);
}

void name_become(struct prepared_name *name, struct statement *statement)
{
    statement_retain(statement);
    statement_release(name->statement);
    name->statement = statement;
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

void names_free(struct prepared_names *names)
{
    names_clear(names);
    name_list_free(&names->leaving);
}

bool facts_matter(const struct statement_facts *facts)
{
    return facts->suspects != 0 || facts->barrier || facts->discards || facts->executes ||
           facts->asks_prepared || facts->asks_listening || facts->listens || facts->notifies ||
           facts->draws || facts->database_change || facts->defaults_change || facts->routines_change;
}

bool facts_keep(struct statement_facts **kept, const struct statement_facts *facts)
{
    if (*kept == NULL)
        *kept = calloc(1, sizeof **kept);
    if (*kept == NULL)
        return false;
    memcpy(*kept, facts, offsetof(struct statement_facts, settings));
    (*kept)->settings.count = facts->settings.count;
    memcpy((*kept)->settings.names, facts->settings.names, facts->settings.count * SETTING_NAME_BYTES);
    return true;
}

bool facts_renew(struct statement_facts **kept, const struct statement_facts *facts)
{
    if (facts_matter(facts))
        return facts_keep(kept, facts);
    free(*kept);
    *kept = NULL;
    return true;
}

bool unnamed_set(struct unnamed *unnamed, const void *body, size_t bytes, const struct statement_facts *facts)
{
    if (!facts_renew(&unnamed->facts, facts))
        return false;
    if (unnamed->room < bytes) {
        char *wider = realloc(unnamed->body, bytes * 2);

        if (wider == NULL)
            return false;
        unnamed->body = wider;
        unnamed->room = bytes * 2;
    }
    memcpy(unnamed->body, body, bytes);
    unnamed->bytes = bytes;
    unnamed->number++;
    unnamed->known = true;
    unnamed->unread = false;
    return true;
}

void unnamed_forget(struct unnamed *unnamed)
{
    unnamed->number++;
    unnamed->known = unnamed->unread = false;
}

void unnamed_free(struct unnamed *unnamed)
{
    free(unnamed->facts);
    free(unnamed->body);
    memset(unnamed, 0, sizeof *unnamed);
}
