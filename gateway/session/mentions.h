/* SPDX-License-Identifier: PostgreSQL
 * mentions - the prepared statements that an SQL text names: EXECUTE, PREPARE and DEALLOCATE. Only for
 * texts of which statement_classify said that they do; a name too many does no harm. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "gateway/session/lexer.h"

enum { MENTION_NAME_BYTES = 64 };

struct mention {
    enum { MENTION_EXECUTE, MENTION_PREPARE, MENTION_DEALLOCATE, MENTION_DEALLOCATE_ALL } kind;
    char name[MENTION_NAME_BYTES]; /* folded and cut as PostgreSQL keeps it; "" for ALL, and for U&"" */
};

struct mentions {
    struct lexer lexer;
    struct token ahead; /* read and not used yet */
    bool opening;       /* `ahead` is the first token of its statement */
};

/* standard_strings: how backslashes in plain quotes count. */
void mentions_begin(struct mentions *mentions, const char *text, size_t length, bool standard_strings);
/* The next one, in the order of the text; false at its end. */
bool mentions_next(struct mentions *mentions, struct mention *mention);
