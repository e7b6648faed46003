/* SPDX-License-Identifier: PostgreSQL
 * ident - maps in the format of pg_ident.conf: which database users a name from outside may be.
 * Source: PostgreSQL manual, "User Name Maps" (17, with its includes, `all`, +role and regular expressions
 * for the database's user). Names compare exactly. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "gateway/auth/hba_names.h"

struct fault;
struct ident;
struct problems;

enum { IDENT_LINES_MAX = 10000, IDENT_NAME_MAX_BYTES = 1024 };

/* Reads and checks the whole file and all that it includes; an empty file is a good one. Problems and faults
 * as with hba_load. Blocks on the disk. The caller frees the result with ident_free. */
struct ident *ident_load(const char *path, struct problems *problems, struct fault *fault);

/* The same from memory; `where` names it in problems. The text cannot include files. */
struct ident *ident_parse(const char *text, size_t length, const char *where, struct problems *problems,
                          struct fault *fault);

/* Wipes and frees everything. NULL is nothing to do. */
void ident_free(struct ident *ident);

/* Who asks: the operating system's user behind a socket or the name in a certificate, and the database's user
 * that it wants to be. */
struct ident_question {
    const char *system_user, *database_user;
    struct hba_members members; /* what is not known is none */
};

/* Whether some line of the map allows it; without a map (NULL) the names must be equal. Names longer than
 * IDENT_NAME_MAX_BYTES are nobody's. ident may be NULL: no map exists then. Any thread. */
bool ident_match(const struct ident *ident, const char *map, const struct ident_question *question);

/* Whether some line has +role, so that memberships are worth looking up. */
bool ident_asks_members(const struct ident *ident);
