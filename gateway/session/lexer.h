/* SPDX-License-Identifier: PostgreSQL
 * lexer - cuts SQL text into tokens where PostgreSQL's own scanner does, and understands none of them.
 * Source: PostgreSQL manual, "Lexical Structure"; src/backend/parser/scan.l decides where that is silent.
 *
 * Text is taken in any encoding in which the bytes below 0x80 are ASCII wherever they stand. In SJIS, BIG5,
 * GBK, GB18030, UHC and JOHAB they are not: a session with such a client_encoding is to be pinned. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum token_kind {
    TOKEN_END,
    TOKEN_WORD,      /* an identifier or key word that is not quoted; text in any case */
    TOKEN_QUOTED,    /* "name": text is what is between the quotes, doubled quotes left as they are */
    TOKEN_UNICODE,   /* U&"name": likewise, escapes left as they are */
    TOKEN_STRING,    /* '...', E'...', B'...', $tag$...$tag$ */
    TOKEN_NUMBER,    /* a constant or a parameter ($1) */
    TOKEN_SYMBOL     /* one character, also of a longer operator */
};

struct token {
    enum token_kind kind;
    const char *text; /* in the lexer's text; of strings nothing, of symbols the character */
    size_t length;
};

struct lexer {
    const char *at, *end;
    bool standard_strings; /* backslashes in plain quotes mean nothing */
};

void lexer_init(struct lexer *lexer, const char *text, size_t length, bool standard_strings);

/* The next token; white space and comments are skipped. What is not terminated reaches to the text's end.
 * Linear in the length of the text over all calls; allocates nothing. */
enum token_kind lexer_next(struct lexer *lexer, struct token *token);
