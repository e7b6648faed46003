/* SPDX-License-Identifier: PostgreSQL
 * row - one option as a row of a table: name, type, place, default, range, words; and its text forms.
 * Parser, defaults, ranges, SHOW CONFIG and the manual all read the same rows. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/types.h"

struct arena;

/* The comment names the field's C type. min and max bound the number, or the length of a text,
 * or the count of a list. */
enum conf_type {
    CONF_INT,      /* int */
    CONF_BOOL,     /* bool */
    CONF_DURATION, /* uint64_t, microseconds; written "500ms" "30s" "10min" "1h" "1d" */
    CONF_SIZE,     /* int64_t, bytes; written "64kB" "100MB" "1GB", or one of the row's words, if any */
    CONF_STRING,   /* const char * */
    CONF_WORD,     /* const char *, one of the row's words */
    CONF_PATH,     /* const char *, a relative one is resolved beside the file that was opened */
    CONF_ENUM,     /* an enum, by the row's words */
    CONF_STRINGS,  /* struct strings; a single string is a list of one */
    CONF_TEXTS,    /* struct strings that takes booleans and whole numbers too, as their text */
    CONF_PAIRS,    /* struct pairs: { name = "value"; ... }, values as in CONF_TEXTS, or [ "name=value" ] */
    CONF_STATE     /* struct session_state: a word, or a group of them by kind, which conf_read reads */
};

enum conf_reload { CONF_RELOADED, CONF_AT_START };

struct conf_word {
    const char *word; /* NULL ends the table */
    int value;
};

struct conf_row {
    const char *name;
    enum conf_type type;
    size_t offset;        /* of the field in the struct that is filled */
    const char
        *fallback; /* default as text; NULL: none, the field becomes zero; conf_required: must be given */
    int64_t min, max;
    const struct conf_word *words; /* CONF_ENUM, CONF_WORD and CONF_STATE; those of CONF_SIZE */
    const char *unit;              /* what an int counts, for the manual; NULL or "" otherwise */
    enum conf_reload reload;
    const char *doc;
};

extern const char conf_required[]; /* compare by address */

/* Parses a whole number followed by us, ms, s, min, h or d; false for anything else or an overflow. */
bool duration_from_text(const char *text, uint64_t *us);

/* Parses a whole number followed by B, kB, MB, GB or TB (powers of 1024). */
bool size_from_text(const char *text, int64_t *bytes);

/* Sets the row's field in the struct `into` from text, range checked; strings are copied into the arena.
 * Lists are separated by commas. False leaves the field alone. Not for CONF_PAIRS; CONF_STATE from a word. */
bool row_from_text(const struct conf_row *row, const char *text, void *into, struct arena *arena);

/* Sets every field to its default; required ones and those without a default to zero. */
void rows_defaults(const struct conf_row *rows, size_t count, void *into, struct arena *arena);

/* Writes the field as an operator would write it, without quotes; lists separated by ", ". */
void row_to_text(const struct conf_row *row, const void *from, char *text, size_t room);

/* Writes what a valid value looks like: "a duration such as "30s", from 1s to 1d". */
void row_expected(const struct conf_row *row, char *text, size_t room);
