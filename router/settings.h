/* SPDX-License-Identifier: PostgreSQL
 * settings - interned sets of settings that sessions changed since their startup. Equal sets are one
 * object, so that servers and clients compare them by pointer; NULL is the empty set. What has to be said
 * to a server to get from one set to another is told here, too. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/table.h"

enum { SETTINGS_STRIPES = 16, SETTINGS_MAX = 256 };

struct setting {
    const char *name, *value; /* in the encoding of the session that set it */
};

/* A set that follows from another one: that one itself, or one that it holds a reference to. */
struct settings_part {
    bool whole;
    const struct settings *part;
};

struct settings {
    struct table_link link;
    struct settings_home *home;
    _Atomic int references;
    bool fails;                      /* putting them on another server may fail: role, names with a dot... */
    bool hurries;                    /* a timeout is among them that may end what runs next */
    bool encodes;                    /* client_encoding is among them */
    struct settings_part customs;    /* those with a dot, all with the value "" */
    struct settings_part meaning;    /* those that decide what a statement's text means */
    size_t count;
    struct setting items[];          /* by name; the texts lie behind them */
};

struct settings_home {
    struct {
        pthread_mutex_t lock;
        struct table table; /* [l] */
    } stripes[SETTINGS_STRIPES];
};

void settings_open(struct settings_home *home);
void settings_close(struct settings_home *home);

/* *set becomes the set of these items (sorted in place, copied; the last of a name wins), retained for the
 * caller. False: out of memory, or more than SETTINGS_MAX. */
bool settings_intern(struct settings_home *home, struct setting *items, size_t count,
                     const struct settings **set);
void settings_retain(const struct settings *set);  /* NULL is fine */
void settings_release(const struct settings *set);

const char *settings_value(const struct settings *set, const char *name); /* NULL: not in it */
const struct settings *settings_customs(const struct settings *set);
const struct settings *settings_meaning(const struct settings *set);

/* Names with a dot leave a trace in a server that only its end removes. Whether a session with `wanted` may
 * use a server on which all of `customs` were ever set; `sets` is one more name that it is about to set, or
 * NULL. */
bool settings_cover(const struct settings *wanted, const struct settings *customs, const char *sets);
/* Both; retained. False: out of memory. */
bool settings_join_customs(struct settings_home *home, const struct settings *one,
                           const struct settings *other, const struct settings **joined);

/* Whether changing from one to the other has to be answered before anything else is sent. */
bool settings_must_wait(const struct settings *from, const struct settings *to);

enum settings_stage { SETTINGS_ENCODING, SETTINGS_REST };

/* The query that changes a server from one set to the other, NUL-terminated, to be freed by the caller.
 * *sql is NULL when that stage has nothing to change. client_encoding goes first, in a query of its own,
 * because the other values are in that encoding. False: out of memory. */
bool settings_change(const struct settings *from, const struct settings *to, enum settings_stage stage,
                     char **sql);
