/* SPDX-License-Identifier: PostgreSQL
 * prepared - protocol-level prepared statements shared across clients. A client's name stands for a statement
 * (text and parameter types); a server knows some statements under names of ours. Bookkeeping is done when a
 * message is sent and taken back when PostgreSQL turns out not to have executed it.
 * Each Parse of a client has a number; a server's statement serves a client only when it was parsed there
 * after the client's own Parse. So a change of the catalogs shows to every client as on a connection of its
 * own. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/list.h"
#include "gateway/base/table.h"
#include "gateway/wire/fields.h"

enum { STATEMENT_STRIPES = 16, STATEMENT_NAME_BYTES = 32 };

/* One text with its parameter types, interned in the process; immutable. */
struct statement {
    struct table_link link;
    struct statements *home;
    _Atomic int references;
    uint64_t id;
    size_t query_bytes, types_bytes; /* query with its NUL; types from their 16-bit count */
    char bytes[];                    /* the query, then the types: a Parse body without the name */
};

struct statements {
    struct {
        pthread_mutex_t lock;
        struct table table; /* [l] */
    } stripes[STATEMENT_STRIPES];
    _Atomic uint64_t next_id;
    _Atomic uint64_t parses;         /* numbers every Parse */
};

void statements_open(struct statements *statements);
void statements_close(struct statements *statements);

/* The statement for this Parse, retained for the caller; NULL when out of memory. */
struct statement *statement_intern(struct statements *statements, const struct parse_fields *parse);
uint64_t statements_number(struct statements *statements); /* the next Parse's */
void statement_retain(struct statement *statement);
void statement_release(struct statement *statement);
void statement_name(const struct statement *statement, char name[STATEMENT_NAME_BYTES]);

/* A client's name for a statement. Removed names stay referenced by what is owed, so that they can return. */
struct prepared_name {
    struct table_link link;
    int references;
    bool listed;
    uint64_t number;             /* of the Parse that made it */
    struct statement *statement;
    char name[];
};

/* All zero is empty. */
struct prepared_names {
    struct table table;
};

struct prepared_name *names_find(const struct prepared_names *names, const char *name);
/* Adds a name that is not there yet (takes no reference of the caller's); NULL when out of memory. */
struct prepared_name *names_add(struct prepared_names *names, const char *name, struct statement *statement,
                                uint64_t number);
void names_remove(struct prepared_names *names, struct prepared_name *name);
void names_restore(struct prepared_names *names, struct prepared_name *name);
void name_retain(struct prepared_name *name);
void name_release(struct prepared_name *name);
void names_clear(struct prepared_names *names);

/* The body of the client's last unnamed Parse, for when its Bind comes in a later round trip. */
struct unnamed {
    bool known;
    size_t bytes, room;
    char *body;
};

bool unnamed_set(struct unnamed *unnamed, const void *body, size_t bytes); /* false: out of memory */
void unnamed_free(struct unnamed *unnamed);

/* What a server has prepared, least recently used last. All zero is empty, except for `recent`. */
struct prepared_set {
    struct table table;
    struct list recent;
};

struct prepared_entry {
    struct table_link link;
    struct list recency;
    struct statement *statement;
    uint64_t batch;  /* in which its Parse was sent */
    uint64_t number; /* of that Parse */
    bool confirmed;  /* ParseComplete came */
};

void set_init(struct prepared_set *set);
void set_clear(struct prepared_set *set);
/* SET_MISSING: the server surely does not have it. SET_READY: it does, parsed after `number`. SET_DOUBTFUL:
 * it may, or has an older one: to be closed and parsed again. */
enum set_state { SET_MISSING, SET_READY, SET_DOUBTFUL };
enum set_state set_look(struct prepared_set *set, const struct statement *statement, uint64_t batch,
                        uint64_t number);
/* Its Parse is being sent; false: out of memory. */
bool set_add(struct prepared_set *set, struct statement *statement, uint64_t batch, uint64_t number);
void set_confirm(struct prepared_set *set, const struct statement *statement); /* ParseComplete came */
/* A Parse or Close of it was skipped or failed: it is there or not. False: out of memory. */
bool set_doubt(struct prepared_set *set, struct statement *statement);
void set_remove(struct prepared_set *set, const struct statement *statement); /* its Close is being sent */
/* The least recently used one, when there are more than `limit`; NULL otherwise. */
struct statement *set_surplus(struct prepared_set *set, size_t limit);
