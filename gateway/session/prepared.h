/* SPDX-License-Identifier: PostgreSQL
 * prepared - protocol-level prepared statements shared across clients. A client's name stands for a statement
 * (text, parameter types and what settings make of them); servers have some of them under names of ours
 * (prepared_set).
 * Each Parse of a client has a number; a server's statement serves a client only when it was parsed there
 * after the client's own Parse. So a change of the catalogs shows to every client as on a connection of its
 * own. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/table.h"
#include "gateway/session/name_list.h"
#include "gateway/session/statement.h"
#include "gateway/wire/fields.h"
#include "router/settings.h"

enum { STATEMENT_STRIPES = 16, STATEMENT_NAME_BYTES = 32 };

/* One text with its parameter types under one meaning, interned in the process; immutable. */
struct statement {
    struct table_link link;
    struct statements *home;
    _Atomic int references;
    uint64_t id;
    const struct settings *meaning;  /* compared only; retained */
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

/* The statement for this Parse, retained for the caller; NULL when out of memory. meaning stands for the
 * settings that the text is analysed under: statements of different meanings are different ones. It must not
 * be given to other settings while such a statement lives. */
struct statement *statement_intern(struct statements *statements, const struct parse_fields *parse,
                                   const struct settings *meaning);
/* The same text and types under another meaning. */
struct statement *statement_intern_again(struct statement *statement, const struct settings *meaning);
uint64_t statements_number(struct statements *statements); /* the next Parse's */
void statement_retain(struct statement *statement);
void statement_release(struct statement *statement);
void statement_name(const struct statement *statement, char name[STATEMENT_NAME_BYTES]);

/* What its server has under the client's own name: see relay_names.c. */
enum material { MATERIAL_NONE, MATERIAL_EMPTY, MATERIAL_TRUE };

/* A client's name for a statement. Removed names stay referenced by what is owed, so that they can return. */
struct prepared_name {
    struct table_link link;
    int references;
    bool listed;
    bool confirmed;                /* ParseComplete came for the last Parse that concerns the name itself */
    uint8_t material;
    uint64_t number;               /* of the Parse that made it */
    uint64_t batch;                /* in which that was sent */
    uint64_t shape;                /* of its rows, when the client was told; 0: it was not */
    struct statement *statement;
    struct statement_facts *facts; /* what running it may do; NULL: nothing that matters; owned */
    uint64_t version;              /* of the catalogs that the facts were made with */
    char name[];
};

/* All zero is empty. */
struct prepared_names {
    struct table table;
    struct name_list leaving; /* what the DEALLOCATEs on their way name, in order; NULL: no name of ours */
    size_t left;              /* so many of them did it */
    uint64_t portal;          /* hash of the portal that executes it; 0: the text is a simple query */
};

struct prepared_name *names_find(const struct prepared_names *names, const char *name);
/* Adds a name that is not there yet (takes no reference of the caller's); NULL when out of memory. */
struct prepared_name *names_add(struct prepared_names *names, const char *name, struct statement *statement,
                                uint64_t number);
void names_remove(struct prepared_names *names, struct prepared_name *name);
void names_restore(struct prepared_names *names, struct prepared_name *name);
void name_retain(struct prepared_name *name);
void name_release(struct prepared_name *name);
/* From now on it stands for this statement; the reference is its own. */
void name_become(struct prepared_name *name, struct statement *statement);
void names_clear(struct prepared_names *names); /* all names go; what is leaving stays */
void names_free(struct prepared_names *names);

/* Whether a text says anything that has to be known whenever its statement runs. */
bool facts_matter(const struct statement_facts *facts);
/* Copies them to *kept, which is allocated when NULL; false: out of memory. */
bool facts_keep(struct statement_facts **kept, const struct statement_facts *facts);
/* The same with what matters only; otherwise *kept is freed and becomes NULL. */
bool facts_renew(struct statement_facts **kept, const struct statement_facts *facts);

/* The body of the client's last unnamed Parse, for when its Bind comes in a later round trip. */
struct unnamed {
    bool known;
    bool unread;                   /* it was too large to be held: only the server that took it has it */
    size_t bytes, room;
    char *body;
    struct statement_facts *facts; /* as in struct prepared_name */
    uint64_t version;              /* of the catalogs that they were made with */
    uint64_t number;               /* of changes: tells whether another one was sent since */
};

/* False: out of memory. */
bool unnamed_set(struct unnamed *unnamed, const void *body, size_t bytes,
                 const struct statement_facts *facts);
void unnamed_forget(struct unnamed *unnamed);
void unnamed_free(struct unnamed *unnamed);
