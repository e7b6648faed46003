/* SPDX-License-Identifier: PostgreSQL
 * statement - what the text of a query says about session state. The lexer only raises a suspicion:
 * strings, comments, quoted identifiers and dollar quotes are skipped as PostgreSQL skips them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "gateway/session/pins.h"

struct statement_facts {
    enum pin_reason pin;     /* the heaviest suspicion, PIN_NONE when there was none */
    bool barrier;            /* DEALLOCATE, DISCARD: later messages wait for its answer */
    bool ddl;                /* may change result types of prepared statements: CREATE, ALTER, DROP, DO... */
    bool many;               /* more than one statement in the text */
    bool transaction_block;  /* BEGIN or START TRANSACTION is among them */
    bool copy_from_stdin;
};

/* Looks at one query text of `length` bytes (not necessarily NUL-terminated). standard_strings says how
 * backslashes in plain quotes count. Allocates nothing; linear in length.
 *
 * What ends with the transaction raises no suspicion: SET LOCAL, SET TRANSACTION, set_config(.., .., true),
 * pg_advisory_xact_lock. pin is PIN_SETTING also for RESET and DISCARD ALL, which change settings too, and
 * PIN_LISTEN for UNLISTEN. nextval raises none: only currval and lastval show what it left. */
void statement_classify(const char *text, size_t length, bool standard_strings,
                        struct statement_facts *facts);

/* If the whole text is DEALLOCATE [PREPARE] name (not ALL), copies the name as PostgreSQL keeps it (folded,
 * at most 63 bytes) and returns true. False also when it does not fit in `room`; 64 bytes always suffice. */
bool statement_is_deallocate(const char *text, size_t length, char *name, size_t room);
