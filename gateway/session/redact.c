/* SPDX-License-Identifier: PostgreSQL
 * redact - a statement for the eyes of an operator: what it does without what is in it. */
#include "gateway/session/redact.h"

#include <string.h>

#include "gateway/base/check.h"
#include "gateway/session/lexer.h"

/* Characters are not cut in two. */
static size_t whole_characters(const char *text, size_t used)
{
    size_t at = used;

    while (at > 0 && ((unsigned char)text[at - 1] & 0xc0) == 0x80)
        at--;
    return at > 0 && ((unsigned char)text[at - 1] & 0x80) != 0 ? at - 1 : used;
}

/* False when not all of it found room. */
static bool put(char *redacted, size_t room, size_t *used, const char *text, size_t length)
{
    bool fits = length < room - *used;
    size_t taken = fits ? length : room - 1 - *used;

    memcpy(redacted + *used, text, taken);
    *used += taken;
    if (!fits)
        *used = whole_characters(redacted, *used);
    return fits;
}

/* A quoted identifier's text begins behind its quote. */
static const char *token_start(const struct token *token)
{
    switch (token->kind) {
    case TOKEN_QUOTED:
        return token->text - 1;
    case TOKEN_UNICODE:
        return token->text - 3;
    case TOKEN_END:
    case TOKEN_WORD:
    case TOKEN_STRING:
    case TOKEN_NUMBER:
    case TOKEN_SYMBOL:
        break;
    }
    return token->text;
}

void statement_redact(const char *text, size_t length, bool standard_strings, char *redacted, size_t room)
{
    static const char constant[] = "'...'";
    const char *behind = text;
    struct lexer lexer;
    struct token token;
    bool fits = true;
    size_t used = 0;

    CHECK(room > 0);
    lexer_init(&lexer, text, length, standard_strings);
    while (fits && lexer_next(&lexer, &token) != TOKEN_END) {
        const char *start = token_start(&token);

        if (start > behind && used > 0)
            fits = put(redacted, room, &used, " ", 1);
        if (fits && token.kind == TOKEN_STRING)
            fits = put(redacted, room, &used, constant, sizeof constant - 1);
        else if (fits)
            fits = put(redacted, room, &used, start, (size_t)(lexer.at - start));
        behind = lexer.at;
    }
    redacted[used] = '\0';
}
