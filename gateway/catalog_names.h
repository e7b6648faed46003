/* SPDX-License-Identifier: PostgreSQL
 * catalog_names - names of custom settings (those with a dot) that functions of one database may set.
 * PostgreSQL lists no such setting of a session, so that it can only be asked for those whose names are
 * known. Names stay for the life of the catalog. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct pool_shard;
struct routines;

enum { CATALOG_NAMES_MAX = 64 };

/* All zero is empty; the catalog's lock guards it. */
struct catalog_names {
    size_t count;
    char *names[CATALOG_NAMES_MAX];
    bool more;  /* than there is room for */
    bool computed; /* a function was made since then that may make up names */
    bool known; /* the functions were read once */
};

void catalog_names_take(struct catalog_names *names, const struct routines *routines);
void catalog_names_free(struct catalog_names *names);

/* A statement that changes functions passes: what its text may name. */
void catalog_names_see(struct pool_shard *shard, const char *text, size_t length);

/* Whether a function that was made and not read yet makes up names. */
bool catalog_names_computed(struct pool_shard *shard);

/* Tells every name. False: there may be others. */
bool catalog_names_each(struct pool_shard *shard, void (*see)(void *owner, const char *name), void *owner);
