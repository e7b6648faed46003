/* SPDX-License-Identifier: PostgreSQL
 * probe - the question to PostgreSQL what a session left behind. */
#include "gateway/session/probe.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/text.h"
#include "gateway/session/suspicion.h"
#include "gateway/wire/fields.h"

/* Rows of the answer: a letter, a name, a value.
 * s a setting that can be carried, x one that cannot, r who the session plays, the others as in asked_rows.
 * */
static const char all_settings[] =
    "SELECT CASE WHEN s.context OPERATOR(pg_catalog.=) 'user' OR EXISTS (SELECT FROM pg_catalog.pg_roles r"
    " WHERE r.rolname OPERATOR(pg_catalog.=) ";
static const char all_settings_end[] =
    " AND r.rolsuper) THEN 's' ELSE 'x' END, s.name, s.setting FROM pg_catalog.pg_settings s"
    " WHERE s.source OPERATOR(pg_catalog.=) 'session' AND s.name OPERATOR(pg_catalog.<>) 'application_name'"
    " AND s.name OPERATOR(pg_catalog.!~) '^transaction_(isolation|read_only|deferrable)$'"
    " UNION ALL SELECT 'r', 'role', pg_catalog.current_setting('role')"
    " UNION ALL SELECT 'r', 'session_authorization', CAST(session_user AS pg_catalog.text)";

/* What is asked for each suspicion besides settings. */
static const struct {
    uint32_t for_pins;
    char letter;
    uint32_t found;
    const char *sql;
} asked_rows[] = {
    {PIN_BIT(TEMPORARY), 't', PIN_BIT(TEMPORARY),
     "SELECT 't', NULL, NULL WHERE EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.refclassid"
     " OPERATOR(pg_catalog.=) 2615::pg_catalog.oid AND d.refobjid OPERATOR(pg_catalog.=)"
     " pg_catalog.pg_my_temp_schema())"},
    {PIN_BIT(TEMPORARY), 'T', 0,
     "SELECT 'T', NULL, NULL WHERE pg_catalog.pg_my_temp_schema() OPERATOR(pg_catalog.<>) 0::pg_catalog.oid"},
    {PIN_BIT(ADVISORY_LOCK), 'a', PIN_BIT(ADVISORY_LOCK),
     "SELECT 'a', NULL, NULL WHERE EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE l.locktype"
     " OPERATOR(pg_catalog.=) 'advisory' AND l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid())"},
    {PIN_BIT(HOLD_CURSOR), 'h', PIN_BIT(HOLD_CURSOR),
     "SELECT 'h', NULL, NULL WHERE EXISTS (SELECT FROM pg_catalog.pg_cursors)"},
    {PIN_BIT(PREPARE), 'p', PIN_BIT(PREPARE),
     "SELECT 'p', NULL, NULL WHERE EXISTS (SELECT FROM pg_catalog.pg_prepared_statements p WHERE "
     "p.from_sql)"},
    {PIN_BIT(PREPARE), 'c', 0,
     "SELECT 'c', NULL, CAST(pg_catalog.count(*) AS pg_catalog.text) FROM pg_catalog.pg_prepared_statements p"
     " WHERE NOT p.from_sql AND pg_catalog.starts_with(p.name, 'pgsluice_')"},
    {PIN_BIT(PREPARE), 'n', 0,
     "SELECT 'n', p.name, NULL FROM pg_catalog.pg_prepared_statements p"
     " WHERE NOT p.from_sql AND NOT pg_catalog.starts_with(p.name, 'pgsluice_')"},
    {PIN_BIT(LISTEN), 'l', PIN_BIT(LISTEN), "SELECT 'l', c, NULL FROM pg_catalog.pg_listening_channels() c"},
    {PIN_BIT(ORIGIN), 'o', PIN_BIT(ORIGIN),
     "SELECT 'o', NULL, NULL WHERE pg_catalog.pg_replication_origin_session_is_setup()"},
    {PIN_BIT(DBLINK), 'd', PIN_BIT(DBLINK),
     "SELECT 'd', NULL, NULL FROM pg_catalog.pg_proc f, pg_catalog.pg_namespace n WHERE f.proname"
     " OPERATOR(pg_catalog.=) 'dblink_get_connections' AND n.oid OPERATOR(pg_catalog.=) f.pronamespace AND"
     " CAST(pg_catalog.query_to_xml(pg_catalog.format('SELECT 1 WHERE %I.%I() IS NOT "
     "NULL',"
     " n.nspname, f.proname), false, true, '') AS pg_catalog.text) OPERATOR(pg_catalog.<>) ''"},
};

/* What PIN_ANYTHING stands for. */
enum {
    ANYTHING = PIN_BIT(SETTING) | PIN_BIT(TEMPORARY) | PIN_BIT(ADVISORY_LOCK) | PIN_BIT(HOLD_CURSOR) |
               PIN_BIT(PREPARE) | PIN_BIT(LISTEN) | PIN_BIT(DBLINK)
};

static void ask(struct text *sql, const char *query)
{
    if (sql->used > 0)
        text_say(sql, " UNION ALL ");
    text_say(sql, query);
}

static void ask_name(struct text *sql, const char *name, bool first)
{
    text_say(sql, first ? "(" : ", (");
    text_quote(sql, name);
    text_say(sql, ")");
}

/* These are no settings of a session, whatever pg_settings says. */
static bool is_of_transaction(const char *name)
{
    return strcmp(name, "application_name") == 0 || strcmp(name, "transaction_isolation") == 0 ||
           strcmp(name, "transaction_read_only") == 0 || strcmp(name, "transaction_deferrable") == 0;
}

/* Settings by their names. A list of all has those without a dot already; no list has those with one. */
static void ask_names(struct text *sql, const struct suspicion *suspicion, const struct settings *known,
                      bool all)
{
    size_t asked = 0;

    for (uint32_t i = 0; i < suspicion->name_count; i++) {
        const char *name = suspicion->names[i];

        if ((all && strchr(name, '.') == NULL) || is_of_transaction(name))
            continue;
        if (asked == 0)
            ask(sql, "SELECT 's', v.n, pg_catalog.current_setting(v.n, true) FROM (VALUES ");
        ask_name(sql, name, asked++ == 0);
    }
    for (size_t i = 0; all && known != NULL && i < known->count; i++) {
        if (strchr(known->items[i].name, '.') == NULL)
            continue;
        if (asked == 0)
            ask(sql, "SELECT 's', v.n, pg_catalog.current_setting(v.n, true) FROM (VALUES ");
        ask_name(sql, known->items[i].name, asked++ == 0);
    }
    if (asked > 0)
        text_say(sql, ") v(n)");
}

static bool must_list_all(const struct suspicion *suspicion)
{
    return suspicion->settings_all || suspicion->settings_reset || suspicion->in_block;
}

static void ask_settings(struct text *sql, const struct suspicion *suspicion, const struct settings *known,
                         const char *user, bool all)
{
    if (all) {
        ask(sql, all_settings);
        text_quote(sql, user);
        text_say(sql, all_settings_end);
    }
    ask_names(sql, suspicion, known, all);
}

struct probe *probe_new(const struct suspicion *suspicion, const struct settings *known, const char *user,
                        char **sql)
{
    struct probe *probe = calloc(1, sizeof *probe);
    struct text text = {NULL, 0, 0, false};

    *sql = NULL;
    if (probe == NULL)
        return NULL;
    probe->suspects = suspicion->suspects;
    probe->nameless = suspicion->nameless;
    if ((probe->suspects & (PIN_BIT(ANYTHING) | PIN_BIT(UNSURE))) != 0) {
        probe->suspects |= ANYTHING;
        probe->all = true;
    }
    probe->all = probe->all || must_list_all(suspicion);
    probe->asks_names = (probe->suspects & PIN_BIT(PREPARE)) != 0;
    if ((probe->suspects & PIN_BIT(SETTING)) != 0)
        ask_settings(&text, suspicion, known, user, probe->all);
    for (size_t i = 0; i < sizeof asked_rows / sizeof *asked_rows; i++)
        if ((probe->suspects & asked_rows[i].for_pins) != 0)
            ask(&text, asked_rows[i].sql);
    *sql = text_take(&text);
    if (*sql == NULL && text.bad) {
        free(probe);
        return NULL;
    }
    return probe;
}

static void items_free(struct probe *probe)
{
    for (size_t i = 0; i < probe->count; i++) {
        free((void *)(uintptr_t)probe->items[i].name);
        free((void *)(uintptr_t)probe->items[i].value);
    }
}

static void list_free(char **list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(list[i]);
    free(list);
}

void probe_free(struct probe *probe)
{
    if (probe == NULL)
        return;
    items_free(probe);
    list_free(probe->channels, probe->channel_count);
    list_free(probe->names, probe->name_count);
    free(probe);
}

/* A column's text, to be freed; NULL for SQL NULL. */
static char *column(struct reader *reader, bool *bad)
{
    uint32_t length = reader_u32(reader);
    const void *bytes;
    char *text;

    if (length == UINT32_MAX)
        return NULL;
    bytes = length > PROBE_TEXT_MAX_BYTES ? NULL : reader_bytes(reader, length);
    text = bytes == NULL ? NULL : malloc(length + 1);
    if (text == NULL) {
        *bad = true;
        return NULL;
    }
    memcpy(text, bytes, length);
    text[length] = '\0';
    return text;
}

/* Takes over name and value. */
static void keep_setting(struct probe *probe, char *name, char *value)
{
    if (name == NULL || probe->count == SETTINGS_MAX) {
        probe->broken = true;
        free(name);
        free(value);
        return;
    }
    for (char *at = name; *at != '\0'; at++)
        *at = (char)(*at >= 'A' && *at <= 'Z' ? *at + ('a' - 'A') : *at);
    probe->items[probe->count++] = (struct setting){name, value};
}

/* Takes over name. */
static void keep_name(struct probe *probe, char ***list, size_t *count, char *name)
{
    char **wider = realloc(*list, (*count + 1) * sizeof *wider);

    if (wider != NULL)
        *list = wider;
    if (wider == NULL || name == NULL || *count == PROBE_LIST_MAX) {
        probe->broken = true;
        free(name);
        return;
    }
    wider[(*count)++] = name;
}

static void keep(struct probe *probe, char letter, char *name, char *value)
{
    if (letter == 's' || letter == 'r') {
        keep_setting(probe, name, value);
        return;
    }
    if (letter == 'l') {
        keep_name(probe, &probe->channels, &probe->channel_count, name);
        name = NULL;
    }
    if (letter == 'n') {
        keep_name(probe, &probe->names, &probe->name_count, name);
        name = NULL;
    }
    if (letter == 'c' && value != NULL)
        probe->shared_count = strtoul(value, NULL, 10);
    if (letter == 'x')
        probe->found |= PIN_BIT(SETTING);
    if (letter == 'T')
        probe->temporary_schema = true;
    for (size_t i = 0; i < sizeof asked_rows / sizeof *asked_rows; i++)
        if (asked_rows[i].letter == letter)
            probe->found |= asked_rows[i].found;
    free(name);
    free(value);
}

void probe_row(struct probe *probe, const unsigned char *body, size_t size)
{
    struct reader reader;
    char *letter, *name, *value;
    bool bad = false;

    reader_init(&reader, body, size);
    if (reader_u16(&reader) != 3) {
        probe->broken = true;
        return;
    }
    letter = column(&reader, &bad);
    name = column(&reader, &bad);
    value = column(&reader, &bad);
    if (bad || reader.bad || letter == NULL) {
        probe->broken = true;
        free(name);
        free(value);
    } else {
        keep(probe, *letter, name, value);
    }
    free(letter);
}

/* Who the session plays by default is no setting of it. */
static bool is_usual(const struct setting *item, const char *user)
{
    if (strcmp(item->name, "role") == 0)
        return strcmp(item->value, "none") == 0;
    return strcmp(item->name, "session_authorization") == 0 && strcmp(item->value, user) == 0;
}

static bool is_answered(const struct probe *probe, const char *name)
{
    for (size_t i = 0; i < probe->count; i++)
        if (strcmp(probe->items[i].name, name) == 0)
            return true;
    return false;
}

bool probe_settings(struct probe *probe, struct settings_home *home, const struct settings *known,
                    const char *user, const struct settings **set)
{
    struct setting items[2 * SETTINGS_MAX];
    size_t count = 0;

    if ((probe->suspects & PIN_BIT(SETTING)) == 0) {
        settings_retain(known);
        *set = known;
        return true;
    }
    for (size_t i = 0; !probe->all && known != NULL && i < known->count; i++)
        if (!is_answered(probe, known->items[i].name))
            items[count++] = known->items[i];
    for (size_t i = 0; i < probe->count; i++)
        if (probe->items[i].value != NULL && !is_usual(&probe->items[i], user))
            items[count++] = probe->items[i];
    return settings_intern(home, items, count, set);
}
