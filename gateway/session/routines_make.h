/* SPDX-License-Identifier: PostgreSQL
 * routines_make - from what the catalogs say to a set of suspicious names. Fed in this order: who uses
 * whom, the names of all functions, then their sources, each of which is looked at as it comes and not
 * kept.
 *
 * Assumed, and to be told to operators: functions in C do no more than their names in keywords.def say; in
 * languages other than SQL and PL/pgSQL state is only changed through SQL, whose callers are recognised by
 * their words (spi_exec, plpy.execute, prepare...); what an interpreter keeps to itself (GD, %_SHARED) is
 * not seen. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct routines;
struct routines_maker;

/* Names that stand for many statements instead of one object. */
#define MAKER_ALWAYS "\x01" /* operators, casts: any statement */
#define MAKER_ON_DDL "\x02" /* event triggers: any change of the catalogs */

struct routines_maker *maker_new(void); /* NULL when out of memory */
void maker_free(struct routines_maker *maker);

/* Names are those of the catalogs, as PostgreSQL keeps them. False: out of memory, or there is more than
 * anybody wants to hold; nothing can be made of it then. */
bool maker_name(struct routines_maker *maker, const char *name);
/* Whoever runs `user` may run `used`. */
bool maker_uses(struct routines_maker *maker, const char *user, const char *used);
/* `user` calls one of the functions, or changes one of the views, that keywords.def names. */
bool maker_uses_builtin(struct routines_maker *maker, const char *user, const char *builtin);
/* A function's source, in a language by its name; text NULL: it is too long to be looked at. */
bool maker_source(struct routines_maker *maker, const char *name, const char *language, const char *text,
                  size_t length);

/* The set with everything that follows from it; the maker can be used no more, only freed. NULL when out of
 * memory. */
struct routines *maker_finish(struct routines_maker *maker);
