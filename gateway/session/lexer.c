/* SPDX-License-Identifier: PostgreSQL
 * lexer - cuts SQL text into tokens where PostgreSQL's own scanner does. Hot path. */
#include "gateway/session/lexer.h"

#include <string.h>

enum character {
    CHARACTER_SYMBOL,
    CHARACTER_SPACE,
    CHARACTER_QUOTE,
    CHARACTER_IDENTIFIER_QUOTE,
    CHARACTER_DASH,
    CHARACTER_SLASH,
    CHARACTER_DOLLAR, /* from here on: may continue a word */
    CHARACTER_DIGIT,
    CHARACTER_WORD,
};

static const unsigned char characters[256] = {
    [' '] = CHARACTER_SPACE, ['\t' ... '\r'] = CHARACTER_SPACE,
    ['a' ... 'z'] = CHARACTER_WORD, ['A' ... 'Z'] = CHARACTER_WORD, ['_'] = CHARACTER_WORD,
    [0x80 ... 0xff] = CHARACTER_WORD, ['0' ... '9'] = CHARACTER_DIGIT, ['\''] = CHARACTER_QUOTE,
    ['"'] = CHARACTER_IDENTIFIER_QUOTE, ['$'] = CHARACTER_DOLLAR, ['-'] = CHARACTER_DASH,
    ['/'] = CHARACTER_SLASH,
};

static enum character character_of(char c)
{
    return characters[(unsigned char)c];
}

static bool word_continues(char c)
{
    return character_of(c) >= CHARACTER_DOLLAR;
}

void lexer_init(struct lexer *lexer, const char *text, size_t length, bool standard_strings)
{
    lexer->at = text;
    lexer->end = text + length;
    lexer->standard_strings = standard_strings;
}

/* Whether the character `ahead` places on is c; false beyond the end. */
static bool sees(const struct lexer *lexer, size_t ahead, char c)
{
    return (size_t)(lexer->end - lexer->at) > ahead && lexer->at[ahead] == c;
}

static void line_comment_skip(struct lexer *lexer)
{
    while (lexer->at < lexer->end && *lexer->at != '\n' && *lexer->at != '\r')
        lexer->at++;
}

/* At the opening slash. Comments nest. */
static void comment_skip(struct lexer *lexer)
{
    size_t depth = 0;

    do {
        if (sees(lexer, 0, '/') && sees(lexer, 1, '*')) {
            depth++;
            lexer->at += 2;
        } else if (sees(lexer, 0, '*') && sees(lexer, 1, '/')) {
            depth--;
            lexer->at += 2;
        } else {
            lexer->at++;
        }
    } while (depth > 0 && lexer->at < lexer->end);
}

/* Behind an opening quote: moves behind the closing one. A doubled quote opens again at once. */
static void quoted_skip(struct lexer *lexer, char quote)
{
    while (lexer->at < lexer->end) {
        const char *closing = memchr(lexer->at, quote, (size_t)(lexer->end - lexer->at));

        lexer->at = closing == NULL ? lexer->end : closing + 1;
        if (!sees(lexer, 0, quote))
            return;
        lexer->at++;
    }
}

/* The same where a backslash hides what follows it. */
static void escaped_skip(struct lexer *lexer)
{
    while (lexer->at < lexer->end) {
        if (*lexer->at == '\\') {
            lexer->at += lexer->end - lexer->at > 1 ? 2 : 1;
        } else if (*lexer->at++ == '\'') {
            if (!sees(lexer, 0, '\''))
                return;
            lexer->at++;
        }
    }
}

/* Behind a closed string: a quote on a later line, with nothing but space and -- comments before it,
 * continues the string with the same rules for backslashes. Moves behind that quote. */
static bool string_continues(struct lexer *lexer)
{
    struct lexer ahead = *lexer;
    bool lines = false;

    while (ahead.at < ahead.end) {
        if (character_of(*ahead.at) == CHARACTER_SPACE) {
            lines = lines || *ahead.at == '\n' || *ahead.at == '\r';
            ahead.at++;
        } else if (sees(&ahead, 0, '-') && sees(&ahead, 1, '-')) {
            line_comment_skip(&ahead);
        } else {
            break;
        }
    }
    if (!lines || !sees(&ahead, 0, '\''))
        return false;
    lexer->at = ahead.at + 1;
    return true;
}

/* Behind the opening quote. */
static enum token_kind string_take(struct lexer *lexer, bool backslashes)
{
    do {
        if (backslashes)
            escaped_skip(lexer);
        else
            quoted_skip(lexer, '\'');
    } while (string_continues(lexer));
    return TOKEN_STRING;
}

/* Behind the opening quote. */
static enum token_kind identifier_take(struct lexer *lexer, struct token *token, enum token_kind kind)
{
    token->text = lexer->at;
    quoted_skip(lexer, '"');
    token->length = (size_t)(lexer->at - token->text);
    if (token->length > 0 && lexer->at[-1] == '"')
        token->length--;
    return kind;
}

/* At a letter that may open a string: E'', B'', X'', N'', U&'', U&"". TOKEN_END when it does not. */
static enum token_kind prefixed_take(struct lexer *lexer, struct token *token)
{
    char letter = (char)(*lexer->at | 0x20);

    if (sees(lexer, 1, '\'') && (letter == 'e' || letter == 'b' || letter == 'x' || letter == 'n')) {
        lexer->at += 2;
        return string_take(lexer, letter == 'e' || (letter == 'n' && !lexer->standard_strings));
    }
    if (letter != 'u' || !sees(lexer, 1, '&'))
        return TOKEN_END;
    if (sees(lexer, 2, '\'')) {
        lexer->at += 3;
        return string_take(lexer, false);
    }
    if (!sees(lexer, 2, '"'))
        return TOKEN_END;
    lexer->at += 3;
    return identifier_take(lexer, token, TOKEN_UNICODE);
}

static enum token_kind word_take(struct lexer *lexer, struct token *token)
{
    const char *start = lexer->at, *at = start + 1, *end = lexer->end;

    if (at < end && (*at == '\'' || *at == '&')) {
        enum token_kind kind = prefixed_take(lexer, token);

        if (kind != TOKEN_END)
            return kind;
    }
    while (at < end && word_continues(*at))
        at++;
    token->length = (size_t)(at - start);
    lexer->at = at;
    return TOKEN_WORD;
}

/* Digits, points and an exponent: enough to find a number's end. Wrong ones are PostgreSQL's to refuse. */
static enum token_kind number_take(struct lexer *lexer)
{
    const char *at = lexer->at + 1, *exponent;

    while (at < lexer->end && (character_of(*at) == CHARACTER_DIGIT || *at == '.'))
        at++;
    lexer->at = at;
    if (!sees(lexer, 0, 'e') && !sees(lexer, 0, 'E'))
        return TOKEN_NUMBER;
    exponent = at + (sees(lexer, 1, '+') || sees(lexer, 1, '-') ? 2 : 1);
    if (exponent >= lexer->end || character_of(*exponent) != CHARACTER_DIGIT)
        return TOKEN_NUMBER;
    while (exponent < lexer->end && character_of(*exponent) == CHARACTER_DIGIT)
        exponent++;
    lexer->at = exponent;
    return TOKEN_NUMBER;
}

/* Behind the opening delimiter of `size` bytes. */
static enum token_kind dollar_string_take(struct lexer *lexer, const char *delimiter, size_t size)
{
    const char *closing = memmem(lexer->at, (size_t)(lexer->end - lexer->at), delimiter, size);

    lexer->at = closing == NULL ? lexer->end : closing + size;
    return TOKEN_STRING;
}

/* At a dollar sign: a parameter, a dollar-quoted string, or just a dollar sign. */
static enum token_kind dollar_take(struct lexer *lexer)
{
    const char *start = lexer->at++, *at = lexer->at;

    if (at < lexer->end && character_of(*at) == CHARACTER_DIGIT) {
        while (lexer->at < lexer->end && character_of(*lexer->at) == CHARACTER_DIGIT)
            lexer->at++;
        return TOKEN_NUMBER;
    }
    while (at < lexer->end && (character_of(*at) == CHARACTER_WORD || character_of(*at) == CHARACTER_DIGIT))
        at++;
    if (at == lexer->end || *at != '$')
        return TOKEN_SYMBOL;
    lexer->at = at + 1;
    return dollar_string_take(lexer, start, (size_t)(lexer->at - start));
}

static enum token_kind symbol_take(struct lexer *lexer)
{
    lexer->at++;
    return TOKEN_SYMBOL;
}

static void space_skip(struct lexer *lexer)
{
    const char *at = lexer->at, *end = lexer->end;

    for (;;) {
        while (at < end && character_of(*at) == CHARACTER_SPACE)
            at++;
        lexer->at = at;
        if (end - at < 2 || (*at != '-' && *at != '/'))
            return;
        if (at[0] == '-' && at[1] == '-')
            line_comment_skip(lexer);
        else if (at[0] == '/' && at[1] == '*')
            comment_skip(lexer);
        else
            return;
        at = lexer->at;
    }
}

static enum token_kind token_take(struct lexer *lexer, struct token *token)
{
    switch (character_of(*lexer->at)) {
    case CHARACTER_WORD:
        return word_take(lexer, token);
    case CHARACTER_DIGIT:
        return number_take(lexer);
    case CHARACTER_QUOTE:
        lexer->at++;
        return string_take(lexer, !lexer->standard_strings);
    case CHARACTER_IDENTIFIER_QUOTE:
        lexer->at++;
        return identifier_take(lexer, token, TOKEN_QUOTED);
    case CHARACTER_DOLLAR:
        return dollar_take(lexer);
    case CHARACTER_SYMBOL:
    case CHARACTER_SPACE:
    case CHARACTER_DASH:
    case CHARACTER_SLASH:
        break;
    }
    return symbol_take(lexer);
}

enum token_kind lexer_next(struct lexer *lexer, struct token *token)
{
    enum token_kind kind;

    space_skip(lexer);
    token->text = lexer->at;
    token->length = 1;
    kind = lexer->at == lexer->end ? TOKEN_END : token_take(lexer, token);
    token->kind = kind;
    return kind;
}
