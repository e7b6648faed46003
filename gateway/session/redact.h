/* SPDX-License-Identifier: PostgreSQL
 * redact - a statement for the eyes of an operator: what it does without what is in it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Writes the statement in one line, without comments, with '...' for every string constant (passwords,
 * tokens, bodies), cut to `room` with its NUL. Give the text as the client sent it, since a line
 * comment whose line end was lost hides all that follows. standard_strings as in lexer_init. */
void statement_redact(const char *text, size_t length, bool standard_strings, char *redacted, size_t room);
