/* SPDX-License-Identifier: PostgreSQL
 * statement_name - the words and names that count wherever they stand, and the catalogs' word on others. */
#include <string.h>

#include "gateway/session/routines.h"
#include "gateway/session/statement_scan.h"

/* Merges what the catalogs say about a name. */
static void routine_see(struct scan *scan, const char *name, size_t length)
{
    const struct routine *routine = routines_find(scan->routines, name, length);

    if (routine != NULL)
        routine_apply(routine, scan->facts);
}

void identifier_see(struct scan *scan, const struct token *token)
{
    char name[IDENTIFIER_ROOM];
    const char *text = token->text;
    size_t length = token->length;

    if (scan->see == NULL) { /* the catalogs' names have their quotes doubled, as they stand here */
        routine_see(scan, text, length);
        return;
    }
    if (length >= IDENTIFIER_ROOM || (token->kind == TOKEN_QUOTED && memchr(text, '"', length) != NULL)) {
        if (!identifier_copy(token, name, sizeof name) || *name == '\0')
            return;
        text = name;
        length = strlen(name);
    }
    scan->see(scan->owner, text, length);
}

static bool word_is(const struct token *token, const char *word)
{
    return token->kind == TOKEN_WORD && token->length == strlen(word)
           && strncasecmp(token->text, word, token->length) == 0;
}

/* Whether the statement is SELECT [pg_catalog.]pg_backend_pid() [[AS] alias]: the application wants to know.
 * WHERE pid <> pg_backend_pid() only leaves itself out. */
static bool pid_is_alone(const struct scan *scan)
{
    struct lexer ahead = scan->lexer;
    struct token token;

    ahead.at = scan->start;
    lexer_next(&ahead, &token);
    if (!word_is(&token, "select"))
        return false;
    lexer_next(&ahead, &token);
    if (word_is(&token, "pg_catalog") && symbol_follows(&ahead, '.')) {
        lexer_next(&ahead, &token);
        lexer_next(&ahead, &token);
    }
    if (ahead.at != scan->lexer.at || lexer_next(&ahead, &token) != TOKEN_SYMBOL || *token.text != '('
        || lexer_next(&ahead, &token) != TOKEN_SYMBOL || *token.text != ')')
        return false;
    if (keyword_take(&ahead, &token) == KEYWORD_AS)
        lexer_next(&ahead, &token);
    if (token.kind == TOKEN_WORD || token.kind == TOKEN_QUOTED)
        lexer_next(&ahead, &token);
    return token.kind == TOKEN_END || (token.kind == TOKEN_SYMBOL && *token.text == ';');
}

static void pid_see(struct scan *scan)
{
    if (!scan->pid_seen && scan->level == 0 && pid_is_alone(scan))
        scan_suspect(scan, PIN_BACKEND_PID);
    scan->pid_seen = true;
}

/* UPDATE pg_settings. */
static void setting_any(struct scan *scan)
{
    scan_suspect(scan, PIN_SETTING);
    scan->facts->settings_all = true;
}

/* A name that counts wherever it stands, quoted or not. */
static void name_see(struct scan *scan, enum keyword keyword)
{
    struct statement_facts *facts = scan->facts;

    if (keyword == KEYWORD_SET_CONFIG)
        config_see(scan);
    else if (keyword == KEYWORD_SET_LIMIT)
        setting_add(scan, "pg_trgm.similarity_threshold", strlen("pg_trgm.similarity_threshold"));
    else if (keyword == KEYWORD_NEXTVAL || keyword == KEYWORD_SETVAL)
        facts->draws = true;
    else if (keyword == KEYWORD_PG_NOTIFY)
        facts->notifies = true;
    else if (keyword == KEYWORD_LISTENING_CHANNELS)
        facts->asks_listening = true;
    else if (keyword == KEYWORD_PREPARED_STATEMENTS || keyword == KEYWORD_PREPARED_STATEMENT)
        facts->asks_prepared = true;
    else if (keyword == KEYWORD_BACKEND_PID)
        pid_see(scan);
    else if (keyword == KEYWORD_PG_SETTINGS) {
        facts->asks_settings = true;
        if (scan->updating)
            setting_any(scan);
    } else if (keyword_pin(keyword) != PIN_NONE) {
        scan_suspect(scan, keyword_pin(keyword));
    }
}

/* A word that counts wherever it stands, and not in quotes. */
static void live_see(struct scan *scan, enum keyword keyword)
{
    if (keyword == KEYWORD_UPDATE) {
        scan->updating = true;
    } else if (keyword == KEYWORD_INSERT || keyword == KEYWORD_MERGE) {
        scan->inserting = keyword_peek(&scan->lexer) == KEYWORD_INTO;
    } else if (keyword == KEYWORD_INTO && scan->inserting) {
        scan->inserting = false;
    } else if (keyword == KEYWORD_INTO || keyword == KEYWORD_CREATE) {
        temporary_see(scan);
    } else if (keyword == KEYWORD_EXECUTE && scan->body) {
        execute_see(scan);
    }
}

bool token_see(struct scan *scan, const struct token *token, enum keyword keyword)
{
    if (scan->wanted)
        identifier_see(scan, token);
    if (keyword_is_name(keyword))
        name_see(scan, keyword);
    else if (token->kind == TOKEN_WORD && keyword != KEYWORD_NONE)
        live_see(scan, keyword);
    return scan->body && token->kind == TOKEN_WORD && scan->depth == 0 && keyword_opens(keyword);
}
