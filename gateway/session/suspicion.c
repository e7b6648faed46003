/* SPDX-License-Identifier: PostgreSQL
 * suspicion - what one session may have left in its server since PostgreSQL was last asked. */
#include "gateway/session/suspicion.h"

#include <stdlib.h>
#include <string.h>

struct suspicion *suspicion_new(void)
{
    return calloc(1, sizeof(struct suspicion));
}

void suspicion_free(struct suspicion *suspicion)
{
    if (suspicion == NULL)
        return;
    suspicion_clear(suspicion);
    free(suspicion);
}

void suspicion_name(struct suspicion *suspicion, const char *name)
{
    char *copy;

    for (uint32_t i = 0; i < suspicion->name_count; i++)
        if (strcmp(suspicion->names[i], name) == 0)
            return;
    copy = suspicion->name_count < SUSPECT_NAMES ? strdup(name) : NULL;
    if (copy != NULL)
        suspicion->names[suspicion->name_count++] = copy;
    else
        suspicion->settings_all = suspicion->nameless = true;
}

void suspicion_keep_text(struct suspicion *suspicion)
{
    strcpy(suspicion->pinned_text, suspicion->text);
}

static void remember_text(struct suspicion *suspicion, const char *text, size_t length)
{
    if (length > SUSPECT_TEXT_BYTES)
        length = SUSPECT_TEXT_BYTES;
    memcpy(suspicion->text, text, length);
    suspicion->text[length] = '\0';
}

void suspicion_add(struct suspicion *suspicion, const struct statement_facts *facts, const char *text,
                   size_t length, bool in_block)
{
    if (suspicion->suspects == 0)
        remember_text(suspicion, text, length);
    suspicion->suspects |= facts->suspects;
    suspicion->settings_all = suspicion->settings_all || facts->settings_all;
    suspicion->settings_reset = suspicion->settings_reset || facts->settings_reset;
    suspicion->in_block = suspicion->in_block || in_block || facts->many;
    for (uint32_t i = 0; i < facts->settings.count; i++)
        suspicion_name(suspicion, facts->settings.names[i]);
}

void suspicion_clear(struct suspicion *suspicion)
{
    for (uint32_t i = 0; i < suspicion->name_count; i++)
        free(suspicion->names[i]);
    suspicion->name_count = 0;
    suspicion->suspects = 0;
    suspicion->settings_all = suspicion->settings_reset = suspicion->in_block = suspicion->nameless = false;
}
