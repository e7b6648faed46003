/* SPDX-License-Identifier: PostgreSQL
 * statement_head - what the first words of a statement say. They are looked at ahead; names in the rest of
 * the statement are found by statement.c. Source: PostgreSQL 15, src/backend/parser/gram.y. */
#include "gateway/session/statement_scan.h"

/* Whether a statement ends at this token, or in a body another may begin behind it. */
static bool is_end(const struct scan *scan, const struct token *token, enum keyword keyword)
{
    return token->kind == TOKEN_END || (token->kind == TOKEN_SYMBOL && *token->text == ';')
           || (scan->body && keyword_opens(keyword));
}

/* The next token outside of parentheses that is not a closing one; those inside are passed over. */
static enum keyword outer_take(struct lexer *ahead, struct token *token)
{
    size_t depth = 0;
    enum keyword keyword;

    do {
        keyword = keyword_take(ahead, token);
        if (token->kind == TOKEN_SYMBOL && *token->text == '(')
            depth++;
        else if (token->kind == TOKEN_SYMBOL && *token->text == ')' && depth > 0)
            depth--;
        else if (depth == 0)
            return keyword;
    } while (token->kind != TOKEN_END);
    return KEYWORD_NONE;
}

/* Moves behind the next of two words outside of parentheses and returns it; KEYWORD_NONE: no more of them. */
static enum keyword word_find(const struct scan *scan, struct lexer *ahead, enum keyword one,
                              enum keyword other)
{
    struct token token;
    enum keyword keyword;

    do {
        keyword = outer_take(ahead, &token);
        if (keyword == one || keyword == other)
            return keyword;
    } while (!is_end(scan, &token, keyword));
    return KEYWORD_NONE;
}

void temporary_see(struct scan *scan)
{
    struct lexer ahead = scan->lexer;
    struct token token;
    enum keyword keyword;

    scan->facts->ddl = true;
    do
        keyword = keyword_take(&ahead, &token);
    while (keyword == KEYWORD_OR || keyword == KEYWORD_REPLACE || keyword == KEYWORD_GLOBAL
           || keyword == KEYWORD_LOCAL);
    if (keyword == KEYWORD_TEMP || keyword == KEYWORD_TEMPORARY)
        scan_suspect(scan, PIN_TEMPORARY);
}

/* Kinds of objects that call no function when they or others are used. */
static bool calls_nothing(enum keyword kind)
{
    return kind == KEYWORD_INDEX || kind == KEYWORD_UNIQUE || kind == KEYWORD_ROLE || kind == KEYWORD_USER
           || kind == KEYWORD_GROUP || kind == KEYWORD_DATABASE || kind == KEYWORD_TABLESPACE
           || kind == KEYWORD_SEQUENCE || kind == KEYWORD_STATISTICS || kind == KEYWORD_SYSTEM;
}

static void kind_see(struct scan *scan, enum keyword kind)
{
    if (kind == KEYWORD_DATABASE)
        scan->facts->database_change = true;
    if (!calls_nothing(kind))
        scan->facts->routines_change = true;
}

/* CREATE TABLE ... AS: its result has neither defaults nor triggers. */
static bool table_as_see(struct scan *scan, struct lexer ahead)
{
    if (word_find(scan, &ahead, KEYWORD_AS, KEYWORD_AS) == KEYWORD_NONE)
        return false;
    if (keyword_peek(&ahead) == KEYWORD_EXECUTE)
        scan->facts->executes = true;
    return true;
}

/* CREATE FUNCTION ... BEGIN ATOMIC SELECT 1; SELECT 2; END: finds where the body ends. Without END the whole
 * text is wrong, and nothing of it is executed. */
static void atomic_see(struct scan *scan, struct lexer ahead)
{
    struct token token;
    enum keyword keyword;
    bool opens = true; /* a statement of the body, or END, may begin */

    do {
        if (word_find(scan, &ahead, KEYWORD_BEGIN, KEYWORD_BEGIN) == KEYWORD_NONE)
            return;
    } while (keyword_peek(&ahead) != KEYWORD_ATOMIC);
    keyword_take(&ahead, &token);
    for (;;) {
        keyword = keyword_take(&ahead, &token);
        if (token.kind == TOKEN_END || (opens && keyword == KEYWORD_END))
            break;
        opens = token.kind == TOKEN_SYMBOL && *token.text == ';';
    }
    scan->atomic_end = token.text;
}

static void create_see(struct scan *scan)
{
    struct lexer ahead = scan->lexer;
    struct token token;
    enum keyword kind;

    do
        kind = keyword_take(&ahead, &token);
    while (kind == KEYWORD_OR || kind == KEYWORD_REPLACE || kind == KEYWORD_GLOBAL || kind == KEYWORD_LOCAL
           || kind == KEYWORD_UNLOGGED);
    if (!scan->body && (kind == KEYWORD_FUNCTION || kind == KEYWORD_PROCEDURE))
        atomic_see(scan, ahead);
    if (kind == KEYWORD_TEMP || kind == KEYWORD_TEMPORARY)
        (void)table_as_see(scan, ahead);
    else if (kind != KEYWORD_TABLE || !table_as_see(scan, ahead))
        kind_see(scan, kind);
}

static void alter_see(struct scan *scan)
{
    struct lexer ahead = scan->lexer;
    struct token token;
    enum keyword kind = keyword_take(&ahead, &token);
    bool has_defaults = kind == KEYWORD_ROLE || kind == KEYWORD_USER || kind == KEYWORD_DATABASE;

    scan->facts->ddl = true;
    kind_see(scan, kind);
    if (kind == KEYWORD_SYSTEM
        || (has_defaults && word_find(scan, &ahead, KEYWORD_SET, KEYWORD_RESET) != KEYWORD_NONE))
        scan->facts->defaults_change = true;
}

static void drop_see(struct scan *scan)
{
    scan->facts->ddl = true;
    kind_see(scan, keyword_peek(&scan->lexer));
}

/* PREPARE transaction AS ... makes a statement of that name. */
static void prepare_see(struct scan *scan)
{
    struct lexer ahead = scan->lexer;
    struct token token;

    if (keyword_take(&ahead, &token) == KEYWORD_TRANSACTION && lexer_next(&ahead, &token) == TOKEN_STRING)
        return;
    scan_suspect(scan, PIN_PREPARE);
    scan->facts->executes = true;
}

static void deallocate_see(struct scan *scan)
{
    struct lexer ahead = scan->lexer;
    struct token token;
    enum keyword keyword = keyword_take(&ahead, &token);

    scan->facts->barrier = scan->facts->executes = true;
    if (scan->level > 0)
        scan_suspect(scan, PIN_PREPARE); /* no command tag will tell that it was done */
    if (keyword == KEYWORD_ALL || (keyword == KEYWORD_PREPARE && keyword_peek(&ahead) == KEYWORD_ALL))
        scan->facts->discards = true;
}

static void discard_see(struct scan *scan)
{
    scan->facts->barrier = scan->facts->discards = true;
    if (keyword_peek(&scan->lexer) != KEYWORD_ALL)
        return;
    scan_suspect(scan, PIN_SETTING);
    scan->facts->settings_all = scan->facts->settings_reset = true;
}

/* DECLARE name ... CURSOR WITH HOLD FOR. */
static void declare_see(struct scan *scan)
{
    struct lexer ahead = scan->lexer;
    struct token token;
    enum keyword keyword;

    do {
        keyword = keyword_take(&ahead, &token);
        if (keyword == KEYWORD_WITH && keyword_peek(&ahead) == KEYWORD_HOLD)
            scan_suspect(scan, PIN_HOLD_CURSOR);
    } while (keyword != KEYWORD_FOR && !is_end(scan, &token, keyword));
}

static void copy_see(struct scan *scan)
{
    struct lexer ahead = scan->lexer;
    enum keyword end;

    if (word_find(scan, &ahead, KEYWORD_FROM, KEYWORD_TO) != KEYWORD_FROM)
        return;
    end = keyword_peek(&ahead);
    if (end == KEYWORD_STDIN || end == KEYWORD_STDOUT) /* PostgreSQL takes either for the other */
        scan->facts->copy_from_stdin = true;
}

static void listen_see(struct scan *scan)
{
    scan_suspect(scan, PIN_LISTEN);
    if (scan->level == 0)
        scan->facts->listens = true;
}

/* EXPLAIN [ANALYZE] [VERBOSE] [(...)] EXECUTE or CREATE TABLE ... AS EXECUTE. Its options are no rows. */
static void explain_see(struct scan *scan)
{
    struct lexer ahead = scan->lexer;
    struct token token;
    enum keyword keyword;

    for (int words = 0; words < 3; words++) {
        keyword = outer_take(&ahead, &token);
        if (keyword == KEYWORD_EXECUTE)
            scan->facts->executes = true;
        else if (keyword == KEYWORD_CREATE)
            (void)table_as_see(scan, ahead);
        if (keyword != KEYWORD_NONE || token.kind != TOKEN_WORD)
            return;
    }
}

static void call_see(struct scan *scan)
{
    scan->facts->ddl = scan->facts->routines_change = true;
    if (!scan->calls_known)
        scan_suspect(scan, PIN_ANYTHING);
}

/* The words that only matter in the client's own text. */
static void transaction_see(struct scan *scan, enum keyword keyword)
{
    if (scan->level > 0)
        return;
    if (keyword == KEYWORD_COPY)
        copy_see(scan);
    else if (keyword == KEYWORD_BEGIN || keyword_peek(&scan->lexer) == KEYWORD_TRANSACTION)
        scan->facts->transaction_block = true;
}

/* In a body: set := 1 and set = 1 give a variable of that name its value. */
static bool is_assignment(const struct scan *scan)
{
    return scan->body && (symbol_follows(&scan->lexer, ':') || symbol_follows(&scan->lexer, '='));
}

static void state_head_see(struct scan *scan, enum keyword keyword)
{
    if (keyword == KEYWORD_PREPARE)
        prepare_see(scan);
    else if (keyword == KEYWORD_DEALLOCATE)
        deallocate_see(scan);
    else if (keyword == KEYWORD_DISCARD)
        discard_see(scan);
    else if (keyword == KEYWORD_LISTEN || keyword == KEYWORD_UNLISTEN)
        listen_see(scan);
    else if (keyword == KEYWORD_NOTIFY)
        scan->facts->notifies = true;
    else if (keyword == KEYWORD_LOAD)
        scan_suspect(scan, PIN_LOAD);
    else if (keyword == KEYWORD_DECLARE)
        declare_see(scan);
    else if (keyword == KEYWORD_EXECUTE && !scan->body)
        scan->facts->executes = true;
    else if (keyword == KEYWORD_EXPLAIN)
        explain_see(scan);
}

void head_see(struct scan *scan, enum keyword keyword)
{
    if (is_assignment(scan))
        return;
    if (keyword == KEYWORD_BEGIN || keyword == KEYWORD_START || keyword == KEYWORD_COPY)
        transaction_see(scan, keyword);
    else if (keyword == KEYWORD_SET)
        set_see(scan);
    else if (keyword == KEYWORD_RESET)
        reset_see(scan);
    else if (keyword == KEYWORD_CREATE)
        create_see(scan);
    else if (keyword == KEYWORD_ALTER)
        alter_see(scan);
    else if (keyword == KEYWORD_DROP)
        drop_see(scan);
    else if (keyword == KEYWORD_IMPORT)
        scan->facts->ddl = scan->facts->routines_change = true;
    else if (keyword == KEYWORD_DO)
        do_see(scan);
    else if (keyword == KEYWORD_CALL)
        call_see(scan);
    else
        state_head_see(scan, keyword);
}
