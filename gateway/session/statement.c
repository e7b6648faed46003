/* SPDX-License-Identifier: PostgreSQL
 * statement - what the text of a query says about session state, in one pass over its tokens. Hot path: every
 * query of a pooled client comes by here. A suspicion too many costs a server for a while; one too few would
 * show one client's state to another, so doubt raises it. */
#include "gateway/session/statement.h"

#include <string.h>

#include "gateway/session/lexer.h"

enum { IDENTIFIER_MAX_BYTES = 63 /* the server's NAMEDATALEN - 1 */ };

enum keyword {
    KEYWORD_NONE,
#define KEYWORD(id, text, first, second, last) KEYWORD_##id,
#define NAME(id, text, first, second, last, pin) KEYWORD_##id,
#include "gateway/session/keywords.def"
#undef KEYWORD
#undef NAME
};

/* What is known in the middle of a text. */
struct scan {
    struct statement_facts *facts;
    enum keyword start;    /* the first word of this statement */
    enum keyword previous; /* the token before, when it was a key word */
    char before;           /* the one before that, when it was a symbol */
    char symbol;           /* the token before, when it was a symbol */
    bool opening;          /* behind CREATE or INTO: TEMP may follow */
    bool updating;         /* behind UPDATE */
    bool ended;            /* some statement of this text is complete */
    size_t tokens;         /* of this statement, opening parentheses in front of it not counted */
    size_t depth;          /* of parentheses */
    enum { CONFIG_NONE, CONFIG_NAMED, CONFIG_OPEN } config; /* a call of set_config */
    size_t config_depth;
};

static unsigned char folded(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

static bool text_is(const char *text, const char *word, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (folded(text[i]) != (unsigned char)word[i])
            return false;
    }
    return true;
}

struct keyword_row {
    const char *text;
    unsigned char length, pin;
};

static const struct keyword_row keyword_rows[] = {
    [KEYWORD_NONE] = { "", 0, PIN_NONE },
#define KEYWORD(id, text, first, second, last) [KEYWORD_##id] = { text, sizeof(text) - 1, PIN_NONE },
#define NAME(id, text, first, second, last, pin) [KEYWORD_##id] = { text, sizeof(text) - 1, PIN_##pin },
#include "gateway/session/keywords.def"
#undef KEYWORD
#undef NAME
};

/* A perfect hash of length and three letters in lower case. The factors were found by trying: should two rows
 * ever share a slot the compiler refuses the second initializer, and other factors have to be found. */
#define SLOT(length, first, second, last) (((length) + (first) + (second) * 13u + (last) * 3u) % 256)

static const unsigned char keyword_slots[256] = {
#define KEYWORD(id, text, first, second, last) [SLOT(sizeof(text) - 1, first, second, last)] = KEYWORD_##id,
#define NAME(id, text, first, second, last, pin) KEYWORD(id, text, first, second, last)
#include "gateway/session/keywords.def"
#undef KEYWORD
#undef NAME
};

/* The key word or name that an identifier is; its length is not 0. */
static enum keyword keyword_find(const char *text, size_t length)
{
    unsigned first = (unsigned char)text[0] | 0x20, second = (unsigned char)text[length > 1] | 0x20;
    unsigned last = (unsigned char)text[length - 1] | 0x20;
    enum keyword keyword = keyword_slots[SLOT(length, first, second, last)];

    if (keyword != KEYWORD_NONE && length == keyword_rows[keyword].length
        && text_is(text, keyword_rows[keyword].text, length))
        return keyword;
    if (first == 'p' && length > 8 && text_is(text, "pg_temp_", 8))
        return KEYWORD_PG_TEMP;
    return KEYWORD_NONE;
}

static int pin_weight(enum pin_reason pin)
{
    if (pin == PIN_NONE)
        return 0;
    if (pin == PIN_SETTING)
        return 1;
    return pin == PIN_BACKUP || pin == PIN_SNAPSHOT || pin == PIN_SLOT ? 3 : 2;
}

/* The heaviest suspicion counts: a backup needs a server of its own, a setting can be put back. */
static void suspect(struct scan *scan, enum pin_reason pin)
{
    if (pin_weight(pin) > pin_weight(scan->facts->pin))
        scan->facts->pin = pin;
}

/* CREATE is told elsewhere; nobody knows what DO and CALL run. */
static bool changes_types(enum keyword keyword)
{
    return keyword == KEYWORD_ALTER || keyword == KEYWORD_DROP || keyword == KEYWORD_IMPORT
           || keyword == KEYWORD_DO || keyword == KEYWORD_CALL;
}

/* A statement begins with this word. */
static void first_word(struct scan *scan, enum keyword keyword)
{
    struct statement_facts *facts = scan->facts;

    scan->start = keyword;
    if (keyword == KEYWORD_LISTEN)
        suspect(scan, PIN_LISTEN);
    else if (keyword == KEYWORD_LOAD)
        suspect(scan, PIN_LOAD);
    else if (keyword == KEYWORD_DO || keyword == KEYWORD_CALL)
        suspect(scan, PIN_ANONYMOUS_CODE);
    else if (keyword == KEYWORD_DISCARD || keyword == KEYWORD_DEALLOCATE)
        facts->barrier = true;
    else if (keyword == KEYWORD_BEGIN)
        facts->transaction_block = true;
    facts->ddl = facts->ddl || changes_types(keyword);
}

/* The second token of a statement; KEYWORD_NONE for any other word, a quoted name or a symbol. */
static void second_token(struct scan *scan, enum keyword keyword)
{
    if (scan->start == KEYWORD_SET && keyword != KEYWORD_LOCAL && keyword != KEYWORD_TRANSACTION
        && keyword != KEYWORD_CONSTRAINTS)
        suspect(scan, PIN_SETTING);
    else if (scan->start == KEYWORD_PREPARE && keyword != KEYWORD_TRANSACTION)
        suspect(scan, PIN_PREPARE);
    else if (scan->start == KEYWORD_START && keyword == KEYWORD_TRANSACTION)
        scan->facts->transaction_block = true;
}

/* CREATE [OR REPLACE] [GLOBAL | LOCAL] TEMP and SELECT ... INTO [GLOBAL | LOCAL] TEMP, wherever they stand:
 * EXPLAIN ANALYZE runs them too. INSERT INTO temp is only a table of that name. */
static void temporary_watch(struct scan *scan, enum keyword keyword)
{
    bool into = keyword == KEYWORD_INTO && scan->previous != KEYWORD_INSERT
                && scan->previous != KEYWORD_MERGE;

    if (keyword == KEYWORD_CREATE || into) {
        scan->opening = true;
        scan->facts->ddl = true;
    } else if (keyword == KEYWORD_TEMP || keyword == KEYWORD_TEMPORARY) {
        if (scan->opening)
            suspect(scan, PIN_TEMPORARY);
        scan->opening = false;
    } else if (keyword != KEYWORD_OR && keyword != KEYWORD_REPLACE && keyword != KEYWORD_GLOBAL
               && keyword != KEYWORD_LOCAL) {
        scan->opening = false;
    }
}

/* Names that count wherever they stand, quoted or not. */
static void name_watch(struct scan *scan, enum keyword keyword)
{
    if (keyword == KEYWORD_SET_CONFIG && scan->config == CONFIG_NONE)
        scan->config = CONFIG_NAMED;
    else
        suspect(scan, (enum pin_reason)keyword_rows[keyword].pin);
    if (keyword == KEYWORD_PG_SETTINGS && scan->updating)
        suspect(scan, PIN_SETTING);
}

static void word_watch(struct scan *scan, enum keyword keyword)
{
    if (scan->tokens == 2 && scan->start == KEYWORD_SET && scan->previous == KEYWORD_TRANSACTION
        && keyword == KEYWORD_SNAPSHOT)
        suspect(scan, PIN_SNAPSHOT);
    if (keyword == KEYWORD_HOLD && scan->start == KEYWORD_DECLARE && scan->previous == KEYWORD_WITH)
        suspect(scan, PIN_HOLD_CURSOR);
    if ((keyword == KEYWORD_STDIN || keyword == KEYWORD_STDOUT) && scan->start == KEYWORD_COPY
        && scan->previous == KEYWORD_FROM && scan->depth == 0)
        scan->facts->copy_from_stdin = true;
    if (keyword == KEYWORD_UPDATE)
        scan->updating = true;
}

/* set_config(name, value, true) ends with the transaction; any other call of it lasts. */
static void config_end(struct scan *scan, bool local)
{
    if (scan->config != CONFIG_NONE && !local)
        suspect(scan, PIN_SETTING);
    scan->config = CONFIG_NONE;
}

static void parenthesis_open(struct scan *scan)
{
    scan->depth++;
    if (scan->config == CONFIG_NAMED) {
        scan->config = CONFIG_OPEN;
        scan->config_depth = scan->depth;
    }
}

static void parenthesis_close(struct scan *scan)
{
    if (scan->config == CONFIG_OPEN && scan->depth == scan->config_depth)
        config_end(scan, scan->previous == KEYWORD_TRUE && scan->before == ',');
    if (scan->depth > 0)
        scan->depth--;
}

static void statement_end(struct scan *scan)
{
    config_end(scan, false);
    scan->ended = scan->ended || scan->tokens > 0;
    scan->start = scan->previous = KEYWORD_NONE;
    scan->before = scan->symbol = '\0';
    scan->opening = scan->updating = false;
    scan->tokens = scan->depth = 0;
}

/* Notes a token's place; `keyword` is KEYWORD_NONE for all that are not key words. */
static void token_place(struct scan *scan, const struct token *token, enum keyword keyword)
{
    if (scan->tokens == 0 && scan->ended)
        scan->facts->many = true;
    if (scan->tokens == 0)
        first_word(scan, keyword);
    else if (scan->tokens == 1)
        second_token(scan, keyword);
    scan->tokens++;
    scan->before = scan->symbol;
    scan->symbol = token->kind == TOKEN_SYMBOL ? *token->text : '\0';
    scan->previous = keyword;
}

static void symbol_see(struct scan *scan, const struct token *token)
{
    char symbol = *token->text;

    if (symbol == ';') {
        statement_end(scan);
        return;
    }
    if (symbol == '(')
        parenthesis_open(scan);
    else if (scan->config == CONFIG_NAMED)
        config_end(scan, false);
    if (symbol == ')')
        parenthesis_close(scan);
    scan->opening = false;
    if (symbol != '(' || scan->tokens > 0)
        token_place(scan, token, KEYWORD_NONE);
}

/* Words and names; what only a word can be does not count for a name in quotes. */
static void identifier_see(struct scan *scan, const struct token *token)
{
    enum keyword keyword = token->length == 0 ? KEYWORD_NONE : keyword_find(token->text, token->length);

    if (scan->config == CONFIG_NAMED)
        config_end(scan, false);
    if (keyword != KEYWORD_NONE)
        name_watch(scan, keyword);
    if (token->kind == TOKEN_QUOTED)
        keyword = KEYWORD_NONE;
    if (keyword != KEYWORD_NONE)
        word_watch(scan, keyword);
    if (keyword != KEYWORD_NONE || scan->opening)
        temporary_watch(scan, keyword);
    token_place(scan, token, keyword);
}

static void constant_see(struct scan *scan, const struct token *token)
{
    if (scan->config == CONFIG_NAMED)
        config_end(scan, false);
    scan->opening = false;
    token_place(scan, token, KEYWORD_NONE);
}

void statement_classify(const char *text, size_t length, bool standard_strings,
                        struct statement_facts *facts)
{
    struct scan scan;
    struct lexer lexer;
    struct token token;

    memset(facts, 0, sizeof *facts);
    memset(&scan, 0, sizeof scan);
    scan.facts = facts;
    lexer_init(&lexer, text, length, standard_strings);
    while (lexer_next(&lexer, &token) != TOKEN_END) {
        if (token.kind == TOKEN_WORD || token.kind == TOKEN_QUOTED) {
            identifier_see(&scan, &token);
        } else if (token.kind == TOKEN_SYMBOL) {
            symbol_see(&scan, &token);
        } else {
            if (token.kind == TOKEN_UNICODE) /* any function may hide behind its escapes */
                suspect(&scan, PIN_ANONYMOUS_CODE);
            constant_see(&scan, &token);
        }
    }
    config_end(&scan, false);
}

/* Copies an identifier as PostgreSQL keeps it: folded unless quoted, doubled quotes once, cut between
 * characters to at most 63 bytes. False when it is empty or does not fit. */
static bool identifier_copy(const struct token *token, char *name, size_t room)
{
    char whole[IDENTIFIER_MAX_BYTES + 1]; /* the last byte only tells where the cut may be */
    size_t used = 0;

    for (size_t i = 0; i < token->length && used < sizeof whole; i++) {
        whole[used++] = token->kind == TOKEN_WORD ? (char)folded(token->text[i]) : token->text[i];
        if (token->kind == TOKEN_QUOTED && token->text[i] == '"')
            i++;
    }
    if (used == sizeof whole) {
        used--;
        while (used > IDENTIFIER_MAX_BYTES - 3 && ((unsigned char)whole[used] & 0xc0) == 0x80)
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

    lexer_init(&lexer, text, length, true);
    if (lexer_next(&lexer, &token) != TOKEN_WORD
        || keyword_find(token.text, token.length) != KEYWORD_DEALLOCATE)
        return false;
    lexer_next(&lexer, &token);
    lexer_next(&lexer, &next);
    if (token.kind == TOKEN_WORD && keyword_find(token.text, token.length) == KEYWORD_PREPARE
        && (next.kind == TOKEN_WORD || next.kind == TOKEN_QUOTED)) {
        token = next;
        lexer_next(&lexer, &next);
    }
    while (next.kind == TOKEN_SYMBOL && *next.text == ';')
        lexer_next(&lexer, &next);
    if (next.kind != TOKEN_END || (token.kind != TOKEN_WORD && token.kind != TOKEN_QUOTED))
        return false;
    if (token.kind == TOKEN_WORD && keyword_find(token.text, token.length) == KEYWORD_ALL)
        return false;
    return identifier_copy(&token, name, room);
}
