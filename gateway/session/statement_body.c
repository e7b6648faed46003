/* SPDX-License-Identifier: PostgreSQL
 * statement_body - the bodies of DO and of functions in PL/pgSQL and SQL, and the constants in them that are
 * executed as statements. A text lies at most LEVEL_LAST deep in another; deeper ones may be anything. */
#include <string.h>

#include "gateway/session/statement_scan.h"

enum { CONTENT_BYTES = 8192 };

/* What a constant holds; in `room` only when it had to be written anew. */
struct content {
    const char *text;
    size_t length;
    char room[CONTENT_BYTES];
};

static bool dollar_content(const char *text, const char *end, struct content *content)
{
    const char *opened = memchr(text + 1, '$', (size_t)(end - text) - 1);
    size_t delimiter;

    if (opened == NULL)
        return false;
    delimiter = (size_t)(opened + 1 - text);
    if ((size_t)(end - text) < 2 * delimiter || memcmp(end - delimiter, text, delimiter) != 0)
        return false;
    content->text = text + delimiter;
    content->length = (size_t)(end - text) - 2 * delimiter;
    return true;
}

/* What a backslash and this character stand for; -1: for more than one character or a number. */
static int escape_read(char c)
{
    switch (c) {
    case 'b':
    case 'f':
    case 'r':
    case 't':
        return ' ';
    case 'n':
        return '\n';
    case 'x':
    case 'u':
    case 'U':
        return -1;
    default:
        return c >= '0' && c <= '7' ? -1 : (unsigned char)c;
    }
}

/* Doubled quotes once, simple escapes as what they mean. False for a constant in several parts, for other
 * escapes, and when it is too long. */
static bool content_rewrite(const char *text, const char *end, bool backslashes, struct content *content)
{
    size_t used = 0;
    int c;

    while (text < end) {
        c = (unsigned char)*text++;
        if (c == '\'' && (text == end || *text++ != '\''))
            return false;
        if (c == '\\' && backslashes)
            c = text == end ? -1 : escape_read(*text++);
        if (c < 0 || used == sizeof content->room)
            return false;
        content->room[used++] = (char)c;
    }
    content->text = content->room;
    content->length = used;
    return true;
}

/* The content of the constant from text to end; false when it cannot be told. */
static bool content_read(const char *text, const char *end, bool standard_strings, struct content *content)
{
    bool backslashes = !standard_strings;
    size_t length;

    if (*text == '$')
        return dollar_content(text, end, content);
    if (*text != '\'') {
        backslashes = (*text | 0x20) == 'e' || ((*text | 0x20) == 'n' && !standard_strings);
        if ((*text | 0x20) == 'u')
            return false;
        text++;
    }
    if (end - text < 2 || *text != '\'' || end[-1] != '\'')
        return false;
    text++;
    end--;
    length = (size_t)(end - text);
    if (memchr(text, '\'', length) != NULL || (backslashes && memchr(text, '\\', length) != NULL))
        return content_rewrite(text, end, backslashes, content);
    content->text = text;
    content->length = length;
    return true;
}

/* Looks at the constant from text to end, which `outer` executes. */
static void content_see(struct scan *outer, const char *text, const char *end, bool body)
{
    struct content content;
    struct scan scan = *outer;

    if (outer->level == LEVEL_LAST || !content_read(text, end, outer->lexer.standard_strings, &content)) {
        scan_suspect(outer, PIN_ANYTHING);
        return;
    }
    scan.level++;
    scan.config_end = scan.atomic_end = NULL;
    scan.body = scan.dynamic = false;
    lexer_init(&scan.lexer, content.text, content.length, outer->lexer.standard_strings);
    if (body)
        body_see(&scan);
    else
        statements_see(&scan);
}

void constant_see(struct scan *scan, const char *text)
{
    char letter = (char)(*text | 0x20);

    /* What RAISE says is not executed, and bits are no statement. */
    if (scan->head == KEYWORD_RAISE || letter == 'b' || letter == 'x')
        return;
    content_see(scan, text, scan->lexer.at, false);
}

void body_see(struct scan *scan)
{
    struct lexer ahead = scan->lexer;
    struct token token;
    enum keyword keyword;

    scan->body = true;
    do {
        keyword = keyword_take(&ahead, &token);
        scan->dynamic = keyword == KEYWORD_EXECUTE;
    } while (!scan->dynamic && token.kind != TOKEN_END);
    statements_see(scan);
}

static bool language_is(const struct token *token, const char *name)
{
    size_t length = strlen(name);

    return token->length == length && strncasecmp(token->text, name, length) == 0;
}

/* Whether bodies in this language can be looked into; its name may be a constant. */
static bool language_is_known(struct token *token, const char *end)
{
    if (token->kind == TOKEN_STRING && *token->text == '\'' && end - token->text > 2) {
        token->length = (size_t)(end - token->text) - 2;
        token->text++;
    }
    return language_is(token, "plpgsql") || language_is(token, "sql");
}

/* DO [LANGUAGE name] 'body' [LANGUAGE name]. The DO of ON CONFLICT and MERGE is followed by other words. */
void do_see(struct scan *scan)
{
    struct lexer ahead = scan->lexer;
    struct token token;
    const char *body = NULL, *end = NULL;
    bool known = true;
    enum keyword keyword = keyword_take(&ahead, &token);

    if (keyword == KEYWORD_NOTHING || keyword == KEYWORD_UPDATE)
        return;
    scan->facts->ddl = scan->facts->routines_change = true;
    while (keyword == KEYWORD_LANGUAGE || token.kind == TOKEN_STRING) {
        if (keyword == KEYWORD_LANGUAGE) {
            lexer_next(&ahead, &token);
            known = known && language_is_known(&token, ahead.at);
        } else {
            body = token.text;
            end = ahead.at;
        }
        keyword = keyword_take(&ahead, &token);
    }
    if (body == NULL || !known)
        scan_suspect(scan, PIN_ANYTHING);
    else
        content_see(scan, body, end, true);
}

/* EXECUTE in a body: of a plain constant, which is looked into where it stands, or of what is computed. */
void execute_see(struct scan *scan)
{
    struct lexer ahead = scan->lexer;
    struct token token;
    enum keyword keyword = keyword_take(&ahead, &token);
    bool constant = token.kind == TOKEN_STRING;

    if (keyword == KEYWORD_ON) /* GRANT EXECUTE ON */
        return;
    if (scan->head == KEYWORD_CREATE && (keyword == KEYWORD_FUNCTION || keyword == KEYWORD_PROCEDURE))
        return;
    keyword = keyword_take(&ahead, &token);
    if (constant && (token.kind == TOKEN_END || keyword == KEYWORD_INTO || keyword == KEYWORD_USING
                     || keyword == KEYWORD_LOOP || (token.kind == TOKEN_SYMBOL && *token.text == ';')))
        return;
    scan_suspect(scan, PIN_ANYTHING);
}

void statement_examine_body(const char *text, size_t length, struct statement_facts *facts)
{
    struct scan scan = {.facts = facts, .level = LEVEL_BODY, .calls_known = true};

    memset(facts, 0, offsetof(struct statement_facts, settings));
    facts->settings.count = 0;
    lexer_init(&scan.lexer, text, length, true);
    body_see(&scan);
}

void statement_identifiers(const char *text, size_t length,
                           void (*see)(void *owner, const char *name, size_t length), void *owner)
{
    struct statement_facts facts;
    struct scan scan = {.facts = &facts, .level = LEVEL_BODY, .calls_known = true, .wanted = true, .see = see,
                        .owner = owner};

    memset(&facts, 0, offsetof(struct statement_facts, settings));
    facts.settings.count = 0;
    lexer_init(&scan.lexer, text, length, true);
    body_see(&scan);
}
