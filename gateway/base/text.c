/* SPDX-License-Identifier: PostgreSQL
 * text - text that grows. */
#include "gateway/base/text.h"

#include <stdlib.h>
#include <string.h>

static void text_add(struct text *text, const char *bytes, size_t length)
{
    size_t room = (text->used + length + 1) * 2;
    char *wider;

    if (text->bad)
        return;
    if (text->used + length + 1 > text->room) {
        wider = realloc(text->bytes, room);
        if (wider == NULL) {
            text->bad = true;
            return;
        }
        text->bytes = wider;
        text->room = room;
    }
    memcpy(text->bytes + text->used, bytes, length);
    text->used += length;
    text->bytes[text->used] = '\0';
}

void text_say(struct text *text, const char *words)
{
    text_add(text, words, strlen(words));
}

void text_quote(struct text *text, const char *value)
{
    text_say(text, "E'");
    for (const char *at = value; *at != '\0'; at++) {
        if (*at == '\'' || *at == '\\')
            text_add(text, at, 1);
        text_add(text, at, 1);
    }
    text_say(text, "'");
}

char *text_take(struct text *text)
{
    char *bytes = text->bytes;

    if (text->bad) {
        free(bytes);
        bytes = NULL;
    }
    text->bytes = NULL;
    text->used = text->room = 0;
    return bytes;
}
