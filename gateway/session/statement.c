/* SPDX-License-Identifier: PostgreSQL
 * statement - what the text of a query says about session state, in one pass over its identifiers. Hot path:
 * every query of a pooled client comes by here. A suspicion too many costs a question at the end of the
 * transaction; one too few would show one client's state to another, so doubt raises it. */
#include "gateway/session/statement.h"

#include <string.h>

#include "gateway/session/routines.h"
#include "gateway/session/statement_scan.h"

/* What a character opens. */
enum mark {
    MARK_QUIET, /* space, and the symbols that mean nothing here */
    MARK_OPENING,
    MARK_CLOSING,
    MARK_SEMICOLON,
    MARK_COMMENT, /* perhaps */
    MARK_STRING,
    MARK_QUOTED,
    MARK_DOLLAR,
    MARK_DIGIT,
    MARK_WORD,
};

static const unsigned char marks[256] = {
    ['('] = MARK_OPENING,       [')'] = MARK_CLOSING,     [';'] = MARK_SEMICOLON,
    ['-'] = MARK_COMMENT,       ['/'] = MARK_COMMENT,     ['\''] = MARK_STRING,
    ['"'] = MARK_QUOTED,        ['$'] = MARK_DOLLAR,      ['a' ... 'z'] = MARK_WORD,
    ['A' ... 'Z'] = MARK_WORD,  ['_'] = MARK_WORD,        [0x80 ... 0xff] = MARK_WORD,
    ['0' ... '9'] = MARK_DIGIT,
};

/* Whether a word goes on with this character. */
static const bool continues[256] = {
    ['a' ... 'z'] = true, ['A' ... 'Z'] = true,     ['0' ... '9'] = true,
    ['_'] = true,         [0x80 ... 0xff] = true,   ['$'] = true,
};

/* The end of a row of letters; four at a time, because most of a text is letters. */
static inline const char *word_end(const char *at, const char *end)
{
    for (; end - at >= 4; at += 4) {
        if (!continues[(unsigned char)at[0]])
            return at;
        if (!continues[(unsigned char)at[1]])
            return at + 1;
        if (!continues[(unsigned char)at[2]])
            return at + 2;
        if (!continues[(unsigned char)at[3]])
            return at + 3;
    }
    while (at < end && continues[(unsigned char)*at])
        at++;
    return at;
}

/* At a quote: an identifier, of which there are many in the statements of frameworks. */
static void quoted_see(struct scan *scan)
{
    struct lexer *lexer = &scan->lexer;
    const char *start = lexer->at + 1, *end = lexer->end, *at = word_end(start, end);
    struct token token;
    enum keyword keyword;

    while (at < end && *at != '"')
        at++;
    token = (struct token){.kind = TOKEN_QUOTED, .text = start, .length = (size_t)(at - start)};
    if (end - at > 1 && at[1] == '"')
        lexer_next(lexer, &token); /* doubled quotes */
    else
        lexer->at = at == end ? end : at + 1;
    if (token.length == 0)
        return;
    keyword = token.length == 1 ? KEYWORD_NONE : keyword_find_live(token.text, token.length);
    if (keyword != KEYWORD_NONE || scan->wanted)
        token_see(scan, &token, keyword);
}

/* At a constant of any kind, or U&"name",
behind whose escapes any function may hide; or at a letter that only
 * looked like the beginning of one. */
static void string_see(struct scan *scan)
{
    struct token token;

    lexer_next(&scan->lexer, &token);
    if (token.kind == TOKEN_UNICODE)
        scan_suspect(scan, PIN_ANYTHING);
    else if (token.kind == TOKEN_STRING && scan->dynamic)
        constant_see(scan, token.text);
    else if (token.kind == TOKEN_WORD && scan->wanted)
        identifier_see(scan, &token);
}

/* Whether a comment begins at this character, which is one of two that may begin one. */
static bool is_comment(const struct lexer *lexer)
{
    return lexer->end - lexer->at > 1 && lexer->at[1] == (*lexer->at == '/' ? '*' : *lexer->at);
}

/* Moves behind comments to where the next token begins: a name's text is behind its quote. */
static void comment_skip(struct lexer *lexer)
{
    struct lexer ahead = *lexer;
    struct token token;

    lexer_next(&ahead, &token);
    lexer->at = token.text;
    if (token.kind == TOKEN_QUOTED)
        lexer->at -= sizeof "\"" - 1;
    else if (token.kind == TOKEN_UNICODE)
        lexer->at -= sizeof "U&\"" - 1;
}

/* Whether digits follow a dollar sign. */
static bool is_parameter(const struct lexer *lexer)
{
    return lexer->end - lexer->at > 1 && marks[(unsigned char)lexer->at[1]] == MARK_DIGIT;
}

static void parameter_skip(struct lexer *lexer)
{
    do
        lexer->at++;
    while (lexer->at < lexer->end && marks[(unsigned char)*lexer->at] == MARK_DIGIT);
}

/* At anything but an identifier; moves behind it, not behind a semicolon that ends the statement. */
static bool statement_goes_on(struct scan *scan)
{
    struct lexer *lexer = &scan->lexer;
    enum mark mark = marks[(unsigned char)*lexer->at];

    if (mark == MARK_SEMICOLON && scan->depth == 0 && lexer->at >= scan->atomic_end)
        return false;
    if (mark == MARK_QUOTED)
        quoted_see(scan);
    else if (mark == MARK_STRING || (mark == MARK_DOLLAR && !is_parameter(lexer)))
        string_see(scan);
    else if (mark == MARK_COMMENT && is_comment(lexer))
        comment_skip(lexer);
    else if (mark == MARK_DOLLAR)
        parameter_skip(lexer);
    else
        lexer->at++;
    if (mark == MARK_OPENING)
        scan->depth++;
    else if (mark == MARK_CLOSING && scan->depth > 0)
        scan->depth--;
    return true;
}

/* The letters from `word` to scan->lexer, a row or somehow wanted. Whether the statement goes on. */
static bool word_see(struct scan *scan, const char *word, enum keyword keyword)
{
    struct token token = {.kind = TOKEN_WORD, .text = word, .length = (size_t)(scan->lexer.at - word)};

    if (token.length > 1)
        return !token_see(scan, &token, keyword);
    scan->lexer.at = word;
    string_see(scan);
    return true;
}

/* Whether these letters, which are no row, are of no interest: nor are they the E in front of a quote. */
static inline bool word_is_quiet(const struct scan *scan, const char *word, const char *at)
{
    if (scan->wanted)
        return false;
    return at - word > 1 || at == scan->lexer.end || (*at != '\'' && *at != '&');
}

/* At the first word of a statement: moves behind it. Whether the statement goes on. */
static bool head_take(struct scan *scan)
{
    const char *word = scan->lexer.at, *at = word_end(word + 1, scan->lexer.end);
    enum keyword keyword = keyword_find(word, (size_t)(at - word));

    scan->lexer.at = at;
    if (keyword == KEYWORD_NONE)
        return word_is_quiet(scan, word, at) || word_see(scan, word, keyword);
    scan->head = keyword;
    head_see(scan, keyword);
    return word_see(scan, word, keyword);
}

/* Behind a number. Older servers take 1e5INTO for a number and a word: exponents are the lexer's. */
static inline const char *number_end(const struct lexer *lexer, const char *number)
{
    const char *at = number, *end = lexer->end;
    struct lexer ahead;
    struct token token;

    do
        at++;
    while (at < end && (marks[(unsigned char)*at] == MARK_DIGIT || *at == '.'));
    if (at == end || (*at != 'e' && *at != 'E'))
        return at;
    ahead = *lexer;
    ahead.at = number;
    lexer_next(&ahead, &token);
    return ahead.at;
}

/* Behind a quoted identifier of no interest; NULL when it has to be looked at. Frameworks quote all names. */
static inline const char *quoted_end(const struct scan *scan, const char *quote)
{
    const char *start = quote + 1, *end = scan->lexer.end, *at = word_end(start, end);

    if (scan->wanted || at - start < 2 || end - at < 2 || *at != '"' || at[1] == '"')
        return NULL;
    return keyword_find_live(start, (size_t)(at - start)) == KEYWORD_NONE ? at + 1 : NULL;
}

/* Behind something that is no word and of no interest; NULL when it has to be looked at. */
static inline const char *quiet_end(const struct scan *scan, const char *at, enum mark mark)
{
    if (mark == MARK_DIGIT)
        return number_end(&scan->lexer, at);
    return mark == MARK_QUOTED ? quoted_end(scan, at) : NULL;
}

/* Passes over what is of no interest, to the end or to what has to be looked at. Returns the beginning of a
 * word, with its row, and scan->lexer behind it; or NULL, with scan->lexer where something else begins. */
static inline const char *word_find(struct scan *scan, enum keyword *keyword)
{
    const char *at = scan->lexer.at, *end = scan->lexer.end, *start;

    while (at < end) {
        enum mark mark = marks[(unsigned char)*at];

        start = at++;
        if (mark == MARK_QUIET)
            continue;
        scan->lexer.at = start;
        if (mark != MARK_WORD) {
            at = quiet_end(scan, start, mark);
            if (at == NULL)
                return NULL;
            continue;
        }
        at = word_end(at, end);
        *keyword = at - start == 1 ? KEYWORD_NONE : keyword_find_live(start, (size_t)(at - start));
        if (*keyword == KEYWORD_NONE && word_is_quiet(scan, start, at))
            continue;
        scan->lexer.at = at;
        return start;
    }
    scan->lexer.at = end;
    return NULL;
}

/* One statement, to the semicolon that ends it, or in a body to where the next may begin. */
static void statement_see(struct scan *scan)
{
    struct lexer *lexer = &scan->lexer;
    bool goes_on = marks[(unsigned char)*lexer->at] != MARK_WORD || head_take(scan);
    enum keyword keyword;
    const char *word;

    while (goes_on) {
        word = word_find(scan, &keyword);
        if (word != NULL)
            goes_on = word_see(scan, word, keyword);
        else
            goes_on = lexer->at < lexer->end && statement_goes_on(scan);
    }
}

/* Moves to the next statement; false when there is none. */
static bool statement_find(struct lexer *lexer)
{
    while (lexer->at < lexer->end) {
        char c = *lexer->at;

        if ((c == '-' || c == '/') && is_comment(lexer))
            comment_skip(lexer);
        else if (c == ';' || c == ' ' || (c >= '\t' && c <= '\r'))
            lexer->at++;
        else
            return true;
    }
    return false;
}

void statements_see(struct scan *scan)
{
    while (statement_find(&scan->lexer)) {
        if (scan->start != NULL && scan->level == 0)
            scan->facts->many = true;
        scan->start = scan->lexer.at;
        scan->head = KEYWORD_NONE;
        scan->depth = 0;
        scan->updating = scan->inserting = scan->pid_seen = false;
        statement_see(scan);
    }
}

void statement_classify(const char *text, size_t length, bool standard_strings,
                        const struct routines *routines, struct statement_facts *facts)
{
    struct scan scan;

    memset(facts, 0, offsetof(struct statement_facts, settings));
    facts->settings.count = 0;
    memset(&scan, 0, sizeof scan);
    lexer_init(&scan.lexer, text, length, standard_strings);
    scan.facts = facts;
    scan.wanted = routines != NULL && !routines_empty(routines);
    scan.calls_known = routines != NULL;
    scan.routines = routines;
    statements_see(&scan);
}
