/* SPDX-License-Identifier: PostgreSQL
 * routines - what the functions of one database, and the tables, views and defaults that call them, may do to
 * a session's state: learned from the catalogs, immutable once made. Only suspicious names are kept, without
 * their schemas, so that an ordinary database has an empty set. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct statement_facts;

enum { ROUTINE_SETTINGS_MAX = 8 }; /* more names than that: all settings */

/* What naming it in a statement may do: as in struct statement_facts. */
struct routine {
    const char *name;            /* in lower case ASCII, quotes doubled; see routine_key */
    uint32_t suspects;           /* PIN_BITs */
#define FLAG(field, kept) bool field;
#include "gateway/session/routine_flags.def"
#undef FLAG
    uint32_t setting_count;
    const char *const *settings; /* names it sets */
};

struct routines; /* NULL: not known yet, everything may do anything */

/* The entry for an identifier as it stands in a text (compared without regard to case, what is in quotes
 * with its quotes doubled), or NULL. Of names of 60 bytes and more only the beginning is compared, since
 * PostgreSQL cuts them; all names with other bytes than ASCII are alike, since every session has its own
 * encoding. */
const struct routine *routines_find(const struct routines *routines, const char *name, size_t length);
bool routines_empty(const struct routines *routines);
size_t routines_count(const struct routines *routines);
const struct routine *routines_at(const struct routines *routines, size_t i); /* NULL behind the last */

/* What every statement may do, whatever it names: operators and casts are functions that nobody names. NULL:
 * nothing. */
const struct routine *routines_always(const struct routines *routines);
/* What every statement that changes the catalogs may do: event triggers. NULL: nothing. */
const struct routine *routines_on_ddl(const struct routines *routines);

/* Adds what the routine does to what a statement does. */
void routine_apply(const struct routine *routine, struct statement_facts *facts);
/* Whether its name is worth remembering. */
bool routine_is_suspicious(const struct routine *routine);
/* Adds the PIN_BITs and flags of `more`, not its settings' names. */
void routine_add(struct routine *routine, const struct routine *more);

/* Any thread. The last release frees; NULL does nothing. */
struct routines *routines_retain(struct routines *routines);
void routines_release(struct routines *routines);

/* The form in which names are compared. `key` has room for ROUTINE_KEY_BYTES; returns the length. */
enum { ROUTINE_KEY_BYTES = 59 };
size_t routine_key(const char *name, size_t length, char *key);

/* Makes a set of entries with keys for names; copies everything. The first two entries are what always
 * and on_ddl return. NULL when out of memory. */
struct routines *routines_new(const struct routine *entries, size_t count);
