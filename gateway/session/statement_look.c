/* SPDX-License-Identifier: PostgreSQL
 * statement_look - small looks at the tokens ahead, and names as PostgreSQL keeps them. */
#include <string.h>

#include "gateway/session/statement_scan.h"

enum keyword keyword_take(struct lexer *ahead, struct token *token)
{
    return lexer_next(ahead, token) == TOKEN_WORD ? keyword_find(token->text, token->length) : KEYWORD_NONE;
}

enum keyword keyword_peek(const struct lexer *ahead)
{
    struct lexer copy = *ahead;
    struct token token;

    return keyword_take(&copy, &token);
}

bool symbol_follows(const struct lexer *ahead, char symbol)
{
    struct lexer copy = *ahead;
    struct token token;

    return lexer_next(&copy, &token) == TOKEN_SYMBOL && *token.text == symbol;
}

bool identifier_copy(const struct token *token, char *name, size_t room)
{
    char whole[IDENTIFIER_ROOM]; /* the last byte only tells where the cut may be */
    size_t used = 0;

    for (size_t i = 0; i < token->length && used < sizeof whole; i++) {
        char c = token->text[i];

        whole[used++] = token->kind == TOKEN_WORD && c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
        if (token->kind == TOKEN_QUOTED && c == '"')
            i++;
    }
    if (used == sizeof whole) {
        used--;
        while (used > IDENTIFIER_ROOM - 4 && ((unsigned char)whole[used] & 0xc0) == 0x80)
            used--;
    }
    if (used == 0 || used >= room)
        return false;
    memcpy(name, whole, used);
    name[used] = '\0';
    return true;
}

bool statement_is_deallocate(const char *text, size_t length, char *name, size_t room)
{
    struct lexer lexer;
    struct token token, next;
    enum keyword keyword;

    lexer_init(&lexer, text, length, true);
    if (keyword_take(&lexer, &token) != KEYWORD_DEALLOCATE)
        return false;
    keyword = keyword_take(&lexer, &token);
    lexer_next(&lexer, &next);
    if (keyword == KEYWORD_PREPARE && (next.kind == TOKEN_WORD || next.kind == TOKEN_QUOTED)) {
        token = next;
        keyword = token.kind == TOKEN_WORD ? keyword_find(token.text, token.length) : KEYWORD_NONE;
        lexer_next(&lexer, &next);
    }
    while (next.kind == TOKEN_SYMBOL && *next.text == ';')
        lexer_next(&lexer, &next);
    if (next.kind != TOKEN_END || (token.kind != TOKEN_WORD && token.kind != TOKEN_QUOTED))
        return false;
    return keyword != KEYWORD_ALL && identifier_copy(&token, name, room);
}
