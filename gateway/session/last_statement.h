/* SPDX-License-Identifier: PostgreSQL
 * last_statement - the beginning of the last statement that a server was sent, for whoever asks why it is
 * busy. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { LAST_STATEMENT_BYTES = 200 };

struct last_statement {
    uint8_t length;
    char text[LAST_STATEMENT_BYTES];
};

/* A short copy and nothing else: it is made for every statement. */
static inline void last_statement_note(struct last_statement *last, const char *text, size_t length)
{
    last->length = (uint8_t)(length < LAST_STATEMENT_BYTES ? length : LAST_STATEMENT_BYTES);
    memcpy(last->text, text, last->length);
}
