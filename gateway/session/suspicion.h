/* SPDX-License-Identifier: PostgreSQL
 * suspicion - what one session may have left in its server since PostgreSQL was last asked. Made with the
 * first statement that gives cause; sessions that never touch session state have none. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/session/statement.h"

enum { SUSPECT_TEXT_BYTES = 200, SUSPECT_NAMES = 96 };

struct probe;

struct suspicion {
    uint32_t suspects;     /* PIN_BITs raised and not asked about yet */
    struct probe *probe;   /* the question on its way, NULL: none */
    bool stirred;          /* pinned, and a command ran that may have ended the reason */
    bool settings_all;     /* ask for every setting, not only for `names` */
    bool settings_reset;   /* some were reset */
    bool nameless;         /* a setting may be set whose name nobody knows */
    bool in_block;         /* raised inside a transaction block, or beside other statements */
    char sets[SETTING_NAME_BYTES]; /* the one setting of the statement that waits for a server */
    uint32_t name_count;
    char *names[SUSPECT_NAMES]; /* settings that were named; owned */
    char text[SUSPECT_TEXT_BYTES + 1]; /* the statement that raised it first, cut */
    uint64_t since_us;     /* since when the session is pinned; 0: it is not */
    char pinned_text[SUSPECT_TEXT_BYTES + 1]; /* the statement that it is pinned for */
};

struct suspicion *suspicion_new(void);
void suspicion_free(struct suspicion *suspicion);

/* Adds what a statement may do. in_block: it does not stand alone in its transaction. */
void suspicion_add(struct suspicion *suspicion, const struct statement_facts *facts, const char *text,
                   size_t length, bool in_block);
/* One more name to ask for; with too many, or when out of memory, all settings are asked for. */
void suspicion_name(struct suspicion *suspicion, const char *name);
/* The session is pinned now: for what was raised last. */
void suspicion_keep_text(struct suspicion *suspicion);
/* Everything raised so far is asked about now. */
void suspicion_clear(struct suspicion *suspicion);
