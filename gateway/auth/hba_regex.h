/* SPDX-License-Identifier: PostgreSQL
 * hba_regex - PostgreSQL's regular expressions of pg_hba.conf and pg_ident.conf, for the C library.
 * Source: PostgreSQL manual, "Regular Expression Details". PostgreSQL has advanced regular expressions (ARE),
 * the library POSIX extended ones. What both have goes through, the escapes \d \D \s \S \w \W \A \Z \y \Y \m
 * \M are rewritten, and what would mean something else there (back-references, (?...), repeats that are not
 * greedy, other escapes) is refused with a sentence. They are compiled for bytes: a dot is one byte. */
#pragma once

#include <regex.h>
#include <stddef.h>

struct arena;

enum { HBA_REGEX_MAX_BYTES = 512, HBA_REGEXES_MAX = 1000 };

/* All the expressions of one file, so that they are freed together. */
struct hba_regexes {
    struct arena *arena; /* where they live; the caller's */
    struct hba_regex *first;
    size_t count;
};

/* Compiles what stands behind the slash. The result lives until hba_regexes_free, which goes before
 * arena_free. NULL: why says what is wrong, as a whole sentence. */
const regex_t *hba_regex_make(struct hba_regexes *regexes, const char *text, char *why, size_t room);
void hba_regexes_free(struct hba_regexes *regexes);
