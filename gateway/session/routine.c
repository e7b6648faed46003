/* SPDX-License-Identifier: PostgreSQL
 * routine - what one function may do, added to what a statement or another function does. */
#include <string.h>

#include "gateway/session/routines.h"
#include "gateway/session/statement.h"

static void setting_apply(const char *name, struct statement_facts *facts)
{
    struct setting_names *settings = &facts->settings;

    for (uint32_t i = 0; i < settings->count; i++)
        if (strcmp(settings->names[i], name) == 0)
            return;
    if (settings->count == STATEMENT_SETTINGS || strlen(name) >= SETTING_NAME_BYTES)
        facts->settings_all = true;
    else
        strcpy(settings->names[settings->count++], name);
}

void routine_apply(const struct routine *routine, struct statement_facts *facts)
{
    facts->suspects |= routine->suspects;
#define FLAG(field, kept) facts->field = facts->field || routine->field;
#include "gateway/session/routine_flags.def"
#undef FLAG
    for (uint32_t i = 0; i < routine->setting_count; i++)
        setting_apply(routine->settings[i], facts);
}

bool routine_is_suspicious(const struct routine *routine)
{
    enum { KEPT = 1, FORGOTTEN = 0 };
    bool flagged = false;

#define FLAG(field, kept) flagged = flagged || (kept && routine->field);
#include "gateway/session/routine_flags.def"
#undef FLAG
    return flagged || routine->suspects != 0;
}

void routine_add(struct routine *routine, const struct routine *more)
{
    routine->suspects |= more->suspects;
#define FLAG(field, kept) routine->field = routine->field || more->field;
#include "gateway/session/routine_flags.def"
#undef FLAG
}
