/* SPDX-License-Identifier: PostgreSQL
 * statement - what the text of a query says about session state, in one pass over its tokens. Names in
 * strings, comments, quoted identifiers and dollar quotes are skipped as PostgreSQL skips them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/pins.h"

struct routines;

enum { STATEMENT_SETTINGS = 4, SETTING_NAME_BYTES = 64 };

/* Names of settings as PostgreSQL folds them; only the first `count` are filled in. */
struct setting_names {
    uint32_t count;
    char names[STATEMENT_SETTINGS][SETTING_NAME_BYTES];
};

struct statement_facts {
    uint32_t suspects;       /* PIN_BITs: what the text may leave in its session */
    /* PIN_SETTING: which ones. */
    bool settings_all;       /* more than `settings` names: RESET ALL, a computed name, too many of them */
    bool settings_reset;     /* RESET of any kind, or DISCARD ALL, is among them */
    uint16_t setting_parameter; /* set_config($n, ...): the name is this parameter; 0: no such call */
    bool transaction_block;  /* BEGIN or START TRANSACTION is among them */
    bool barrier;            /* DEALLOCATE, DISCARD: later messages wait for its answer */
    bool ddl;                /* may change result types of prepared statements: CREATE, ALTER, DROP, DO... */
    bool routines_change;    /* may make or change functions, triggers, views, rules, policies, defaults */
    bool database_change;    /* CREATE, ALTER or DROP DATABASE */
    bool defaults_change;    /* ALTER ROLE, USER, DATABASE or SYSTEM: settings of new sessions may change */
    bool many;               /* more than one statement in the text */
    bool copy_from_stdin;
    bool listens;            /* LISTEN or UNLISTEN */
    bool notifies;           /* NOTIFY or pg_notify */
    bool draws;              /* nextval or setval: what currval and lastval tell later */
    bool discards;           /* DISCARD, or DEALLOCATE ALL */
    bool executes;           /* EXECUTE, PREPARE, DEALLOCATE or EXPLAIN EXECUTE of a name in SQL */
    bool asks_settings;      /* pg_settings */
    bool asks_prepared;      /* pg_prepared_statements */
    bool asks_listening;     /* pg_listening_channels */
    struct setting_names settings;
};

/* Looks at one query text of `length` bytes (not necessarily NUL-terminated). standard_strings says how
 * backslashes in plain quotes count. routines: what the database's own functions and tables do, or NULL.
 * Allocates nothing; linear in length.
 *
 * What ends with the transaction raises no suspicion: SET LOCAL, SET TRANSACTION, set_config(.., .., true),
 * pg_advisory_xact_lock. PIN_SETTING is raised also by RESET and DISCARD ALL. nextval and setval raise none:
 * only currval and lastval show what they left (PIN_SEQUENCE). The bodies of DO are looked into. */
void statement_classify(const char *text, size_t length, bool standard_strings,
                        const struct routines *routines, struct statement_facts *facts);

/* The same for the source of a function in PL/pgSQL or SQL, with standard strings. What it raises besides: a
 * text that is executed and no plain constant is PIN_ANYTHING. CALL and other functions raise nothing here:
 * they are among the identifiers. */
void statement_examine_body(const char *text, size_t length, struct statement_facts *facts);

/* Tells all identifiers of such a source, those in constants that it may execute too: in any case, without
 * quotes, doubled quotes once, at most 63 bytes, no NUL at their end. Key words of SQL are among them. */
void statement_identifiers(const char *text, size_t length,
                           void (*see)(void *owner, const char *name, size_t length), void *owner);

/* If the whole text is DEALLOCATE [PREPARE] name (not ALL), copies the name as PostgreSQL keeps it (folded,
 * at most 63 bytes) and returns true. False also when it does not fit in `room`; 64 bytes always suffice. */
bool statement_is_deallocate(const char *text, size_t length, char *name, size_t room);
