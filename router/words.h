/* SPDX-License-Identifier: PostgreSQL
 * words - cuts a statement into words for the classifier, past white space and comments.
 * Source: PostgreSQL manual, "Lexical Structure". Knows nothing of what the words mean. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum word_kind {
    WORD_END,
    WORD_NAME,   /* keyword or unquoted identifier */
    WORD_QUOTED, /* "identifier", without the quotes */
    WORD_STRING, /* 'text' in any of its spellings, without the quotes, escapes as they were written */
    WORD_NUMBER,
    WORD_SYMBOL  /* one byte of anything else */
};

struct word {
    enum word_kind kind;
    const char *text; /* into the statement, not NUL-terminated */
    size_t length;
};

/* A position in a statement; allocates nothing and never goes back. */
struct words {
    const char *at, *end;
};

/* The next word; WORD_END at the end. What is never closed reaches to the end. */
struct word word_next(struct words *words);

/* Compares a name without regard to case; `name` is in lower case. Quoted ones must match exactly. */
bool word_is(const struct word *word, const char *name);
bool word_is_symbol(const struct word *word, char symbol);
