/* SPDX-License-Identifier: PostgreSQL
 * text - text that grows, for SQL that the gateway writes itself. Not for the hot path. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* All zero is empty; bad once memory ran out, and then to be thrown away. */
struct text {
    char *bytes; /* NUL-terminated; NULL while empty */
    size_t used, room;
    bool bad;
};

void text_say(struct text *text, const char *words);
/* As an SQL string: E'', right whatever standard_conforming_strings is. */
void text_quote(struct text *text, const char *value);
/* The bytes, to be freed by the caller; NULL when nothing was said or memory ran out (then bad is set). */
char *text_take(struct text *text);
