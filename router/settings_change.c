/* SPDX-License-Identifier: PostgreSQL
 * settings_change - what has to be said to a server to get from one set of settings to another.
 * set_config takes every value as it is, quotes lists right, and with NULL does what RESET does. */
#include <string.h>

#include "gateway/base/text.h"
#include "router/settings.h"

static void say_change(struct text *text, const char *name, const char *value)
{
    text_say(text, text->used == 0 ? "SELECT pg_catalog.set_config(" : ", pg_catalog.set_config(");
    text_quote(text, name);
    text_say(text, ", ");
    if (value == NULL)
        text_say(text, "NULL");
    else
        text_quote(text, value);
    text_say(text, ", false)");
}

static bool is_identity(const char *name)
{
    return strcmp(name, "role") == 0 || strcmp(name, "session_authorization") == 0;
}

/* Whoever the session plays at the moment may not be allowed to change the rest: the login's own rights
 * first, the new roles last. SET SESSION AUTHORIZATION resets the role. */
static void drop_identity(struct text *text, const struct settings *from)
{
    if (settings_value(from, "session_authorization") != NULL)
        say_change(text, "session_authorization", NULL);
    if (settings_value(from, "role") != NULL)
        say_change(text, "role", NULL);
}

static void take_identity(struct text *text, const struct settings *to)
{
    const char *session = settings_value(to, "session_authorization"), *role = settings_value(to, "role");

    if (session != NULL)
        say_change(text, "session_authorization", session);
    if (role != NULL)
        say_change(text, "role", role);
}

static bool is_in(const char *name, enum settings_stage stage)
{
    bool encoding = strcmp(name, "client_encoding") == 0;

    return !is_identity(name) && encoding == (stage == SETTINGS_ENCODING);
}

static void say_changes(struct text *text, const struct settings *from, const struct settings *to,
                        enum settings_stage stage)
{
    for (size_t i = 0; from != NULL && i < from->count; i++)
        if (is_in(from->items[i].name, stage) && settings_value(to, from->items[i].name) == NULL)
            say_change(text, from->items[i].name, NULL);
    for (size_t i = 0; to != NULL && i < to->count; i++) {
        const char *before = settings_value(from, to->items[i].name);

        if (is_in(to->items[i].name, stage) && (before == NULL || strcmp(before, to->items[i].value) != 0))
            say_change(text, to->items[i].name, to->items[i].value);
    }
}

bool settings_must_wait(const struct settings *from, const struct settings *to)
{
    return (to != NULL && to->fails) || (from != NULL && (from->fails || from->hurries));
}

bool settings_change(const struct settings *from, const struct settings *to, enum settings_stage stage,
                     char **sql)
{
    struct text text = {NULL, 0, 0, false};

    if (stage == SETTINGS_REST)
        drop_identity(&text, from);
    say_changes(&text, from, to, stage);
    if (stage == SETTINGS_REST)
        take_identity(&text, to);
    *sql = text_take(&text);
    return !text.bad;
}
