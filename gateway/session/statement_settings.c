/* SPDX-License-Identifier: PostgreSQL
 * statement_settings - which settings SET, RESET and set_config change for longer than a transaction. */
#include <string.h>
#include <strings.h>

#include "gateway/session/statement_scan.h"

enum { PARAMETER_MAX = 65535 };

/* A name as it is gathered from the parts between its points. */
struct gathered {
    char text[SETTING_NAME_BYTES];
    size_t length;
    bool cut, dotted;
};

/* More names than there is room for. Settings with a point in their name are listed by no view. */
static void setting_overflow(struct scan *scan, bool dotted)
{
    scan_suspect(scan, PIN_SETTING);
    scan->facts->settings_all = true;
    if (dotted)
        scan_suspect(scan, PIN_UNKNOWN_SETTING);
}

void setting_unknown(struct scan *scan)
{
    setting_overflow(scan, true);
}

/* `name` is in lower case. */
static void setting_keep(struct scan *scan, const char *name, size_t length)
{
    struct setting_names *names = &scan->facts->settings;

    scan_suspect(scan, PIN_SETTING);
    for (uint32_t i = 0; i < names->count; i++) {
        if (strcmp(names->names[i], name) == 0)
            return;
    }
    if (names->count == STATEMENT_SETTINGS) {
        setting_overflow(scan, memchr(name, '.', length) != NULL);
        return;
    }
    memcpy(names->names[names->count++], name, length + 1);
}

/* Old names that PostgreSQL still takes, and the one that its views show. */
static const char *setting_renamed(const char *name)
{
    if (strcmp(name, "sort_mem") == 0)
        return "work_mem";
    return strcmp(name, "vacuum_mem") == 0 ? "maintenance_work_mem" : name;
}

void setting_add(struct scan *scan, const char *name, size_t length)
{
    char folded[SETTING_NAME_BYTES];
    const char *kept;

    if (length == 0 || length >= sizeof folded || memchr(name, '\0', length) != NULL) {
        setting_overflow(scan, length > 0 && memchr(name, '.', length) != NULL);
        return;
    }
    for (size_t i = 0; i < length; i++)
        folded[i] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] + ('a' - 'A')) : name[i];
    folded[length] = '\0';
    if (strcmp(folded, "seed") == 0) {
        scan_suspect(scan, PIN_SEED);
        return;
    }
    kept = setting_renamed(folded);
    setting_keep(scan, kept, strlen(kept));
    if (strcmp(kept, "session_authorization") == 0)
        setting_keep(scan, "role", strlen("role"));
}

static void setting_add_text(struct scan *scan, const char *name)
{
    setting_add(scan, name, strlen(name));
}

static void part_gather(struct gathered *name, const struct token *token)
{
    char part[IDENTIFIER_ROOM];
    size_t length;

    name->cut = name->cut || !identifier_copy(token, part, sizeof part);
    if (name->cut)
        return;
    length = strlen(part);
    name->dotted = name->dotted || memchr(part, '.', length) != NULL;
    if (name->length + length >= sizeof name->text) {
        name->cut = true;
        return;
    }
    memcpy(name->text + name->length, part, length);
    name->length += length;
}

/* Reads name[.name...], of which `token` is the first part, and the token behind it. */
static bool name_gather(struct lexer *ahead, struct token *token, struct gathered *name)
{
    name->length = 0;
    name->cut = name->dotted = false;
    for (;;) {
        if (token->kind != TOKEN_WORD && token->kind != TOKEN_QUOTED)
            return false;
        part_gather(name, token);
        if (!symbol_follows(ahead, '.'))
            return true;
        lexer_next(ahead, token);
        lexer_next(ahead, token);
        name->dotted = true;
        if (name->length + 1 < sizeof name->text)
            name->text[name->length++] = '.';
        else
            name->cut = true;
    }
}

static void gathered_add(struct scan *scan, const struct gathered *name)
{
    if (name->cut)
        setting_overflow(scan, name->dotted);
    else
        setting_add(scan, name->text, name->length);
}

/* Whether the word before was a setting's name, whatever else it can be: SET local.x = 1, SET role TO x. */
static bool is_name(const struct lexer *ahead)
{
    struct lexer copy = *ahead;
    struct token token;
    enum keyword keyword = keyword_take(&copy, &token);

    if (keyword == KEYWORD_TO || keyword == KEYWORD_FROM)
        return true;
    return token.kind == TOKEN_SYMBOL && (*token.text == '.' || *token.text == '=');
}

/* SET name TO | = | FROM CURRENT; `token` is the name's first part. */
static void set_named(struct scan *scan, struct lexer *ahead, struct token *token)
{
    struct gathered name;
    enum keyword keyword;

    if (!name_gather(ahead, token, &name)) {
        setting_unknown(scan);
        return;
    }
    gathered_add(scan, &name);
    keyword = keyword_take(ahead, token);
    if (keyword != KEYWORD_FROM && keyword_peek(ahead) == KEYWORD_DEFAULT)
        scan->facts->settings_reset = true;
}

/* Those that are named: a default that was not set is not to be carried along as if it were. */
static void set_characteristics(struct scan *scan, struct lexer *ahead)
{
    static const struct {
        const char *word, *setting;
    } modes[] = {{"isolation", "default_transaction_isolation"},
                 {"only", "default_transaction_read_only"},
                 {"write", "default_transaction_read_only"},
                 {"deferrable", "default_transaction_deferrable"}};
    struct token token;

    while (lexer_next(ahead, &token) == TOKEN_WORD || (token.kind == TOKEN_SYMBOL && *token.text == ','))
        for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
            if (token.length == strlen(modes[i].word) &&
                strncasecmp(token.text, modes[i].word, token.length) == 0)
                setting_add_text(scan, modes[i].setting);
}

/* SET SESSION AUTHORIZATION and SET SESSION CHARACTERISTICS AS TRANSACTION, from their second word on. */
static void set_session(struct scan *scan, struct lexer *ahead, enum keyword keyword)
{
    if (keyword == KEYWORD_CHARACTERISTICS) {
        set_characteristics(scan, ahead);
        return;
    }
    setting_add_text(scan, "session_authorization");
    if (keyword_peek(ahead) == KEYWORD_DEFAULT)
        scan->facts->settings_reset = true;
}

static void set_time_zone(struct scan *scan, struct lexer *ahead)
{
    struct token token;
    enum keyword keyword;

    keyword_take(ahead, &token);
    keyword = keyword_peek(ahead);
    setting_add_text(scan, "timezone");
    if (keyword == KEYWORD_DEFAULT || keyword == KEYWORD_LOCAL)
        scan->facts->settings_reset = true;
}

static void set_names(struct scan *scan, struct lexer *ahead)
{
    struct token token;

    setting_add_text(scan, "client_encoding");
    if (lexer_next(ahead, &token) != TOKEN_STRING) /* DEFAULT, or nothing, which means the same */
        scan->facts->settings_reset = true;
}

/* The spellings that do not begin with a setting's name. */
static void set_special(struct scan *scan, struct lexer *ahead, enum keyword keyword)
{
    if (keyword == KEYWORD_TIME)
        set_time_zone(scan, ahead);
    else if (keyword == KEYWORD_NAMES)
        set_names(scan, ahead);
    else if (keyword == KEYWORD_ROLE)
        setting_add_text(scan, "role");
    else if (keyword == KEYWORD_AUTHORIZATION || keyword == KEYWORD_CHARACTERISTICS)
        set_session(scan, ahead, keyword);
    else if (keyword == KEYWORD_XML)
        setting_add_text(scan, "xmloption");
    else if (keyword == KEYWORD_SCHEMA)
        setting_add_text(scan, "search_path");
    else if (keyword != KEYWORD_TRANSACTION && keyword != KEYWORD_CONSTRAINTS)
        setting_unknown(scan);
}

/* SET [SESSION | LOCAL] ..., where SESSION may also be the word of SESSION AUTHORIZATION: then said twice. */
void set_see(struct scan *scan)
{
    struct lexer ahead = scan->lexer;
    struct token token;
    enum keyword keyword = keyword_take(&ahead, &token);
    bool local = keyword == KEYWORD_LOCAL && !is_name(&ahead);

    for (int i = 0; i < 2 && (keyword == KEYWORD_SESSION || keyword == KEYWORD_LOCAL); i++) {
        if (is_name(&ahead))
            break;
        keyword = keyword_take(&ahead, &token);
    }
    if (keyword == KEYWORD_TRANSACTION && keyword_peek(&ahead) == KEYWORD_SNAPSHOT)
        scan_suspect(scan, PIN_SNAPSHOT);
    else if (local)
        return;
    else if (is_name(&ahead))
        set_named(scan, &ahead, &token);
    else
        set_special(scan, &ahead, keyword);
}

void reset_see(struct scan *scan)
{
    struct lexer ahead = scan->lexer;
    struct token token;
    struct gathered name;
    enum keyword keyword = keyword_take(&ahead, &token), next = keyword_peek(&ahead);

    scan->facts->settings_reset = true;
    if (keyword == KEYWORD_ALL) {
        scan_suspect(scan, PIN_SETTING);
        scan->facts->settings_all = true;
    } else if (keyword == KEYWORD_TIME && next == KEYWORD_ZONE) {
        setting_add_text(scan, "timezone");
    } else if (keyword == KEYWORD_TRANSACTION && next == KEYWORD_ISOLATION) {
        setting_add_text(scan, "transaction_isolation");
    } else if (keyword == KEYWORD_SESSION && next == KEYWORD_AUTHORIZATION) {
        setting_add_text(scan, "session_authorization");
    } else if (name_gather(&ahead, &token, &name)) {
        gathered_add(scan, &name);
    } else {
        setting_unknown(scan);
    }
}

/* Whether the call, behind whose name `ahead` stands, is set_config(name, value, true), which ends with the
 * transaction. A call inside of one that was looked through already counts as one that lasts. */
static bool config_is_local(struct scan *scan, struct lexer ahead)
{
    size_t depth = 0;
    bool told = false, comma = false; /* the token before is TRUE behind a comma; is a comma */
    struct token token;
    enum keyword keyword;

    if (ahead.at < scan->config_end)
        return false;
    for (;;) {
        keyword = keyword_take(&ahead, &token);
        if (token.kind == TOKEN_END || (token.kind == TOKEN_SYMBOL && *token.text == ';'))
            break;
        if (token.kind == TOKEN_SYMBOL && *token.text == '(')
            depth++;
        else if (token.kind == TOKEN_SYMBOL && *token.text == ')' && --depth == 0)
            break;
        told = comma && keyword == KEYWORD_TRUE;
        comma = depth == 1 && token.kind == TOKEN_SYMBOL && *token.text == ',';
    }
    scan->config_end = ahead.at;
    return told && token.kind == TOKEN_SYMBOL && *token.text == ')';
}

/* set_config($n, ...): the client's parameter tells the name. */
static void config_parameter(struct scan *scan, const char *digits, const char *end)
{
    struct statement_facts *facts = scan->facts;
    unsigned number = 0;

    while (digits < end && number <= PARAMETER_MAX)
        number = number * 10 + (unsigned)(*digits++ - '0');
    if (scan->level > 0 || number == 0 || number > PARAMETER_MAX
        || (facts->setting_parameter != 0 && facts->setting_parameter != number)) {
        setting_unknown(scan);
        return;
    }
    scan_suspect(scan, PIN_SETTING);
    facts->setting_parameter = (uint16_t)number;
}

/* A constant whose content is what stands between its quotes. */
static void config_constant(struct scan *scan, const char *text, const char *end)
{
    size_t length = (size_t)(end - text);

    if (length < 2 || text[0] != '\'' || end[-1] != '\'' || memchr(text + 1, '\'', length - 2) != NULL
        || (!scan->lexer.standard_strings && memchr(text, '\\', length) != NULL))
        setting_unknown(scan);
    else
        setting_add(scan, text + 1, length - 2);
}

/* Behind a first argument: passes over ::text, and tells whether the argument ends here. */
static bool argument_ends(struct lexer *ahead)
{
    struct token token;

    if (symbol_follows(ahead, ':')) {
        lexer_next(ahead, &token);
        if (!symbol_follows(ahead, ':'))
            return false;
        lexer_next(ahead, &token);
        if (keyword_take(ahead, &token) != KEYWORD_TEXT)
            return false;
    }
    return symbol_follows(ahead, ',');
}

void config_see(struct scan *scan)
{
    struct lexer ahead = scan->lexer;
    struct token token;
    const char *end;

    if (!symbol_follows(&ahead, '(')) {
        setting_unknown(scan);
        return;
    }
    if (config_is_local(scan, ahead))
        return;
    lexer_next(&ahead, &token);
    lexer_next(&ahead, &token);
    end = ahead.at;
    if (!argument_ends(&ahead))
        setting_unknown(scan);
    else if (token.kind == TOKEN_STRING)
        config_constant(scan, token.text, end);
    else if (token.kind == TOKEN_NUMBER && *token.text == '$')
        config_parameter(scan, token.text + 1, end);
    else
        setting_unknown(scan);
}
