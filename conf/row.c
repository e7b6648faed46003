/* SPDX-License-Identifier: PostgreSQL
 * row - one option as a row of a table: name, type, place, default, range, words; and its text forms. */
#include "conf/row.h"

#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/session_state.h"
#include "gateway/base/arena.h"
#include "gateway/base/check.h"

const char conf_required[] = "";

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit duration_units[] = {
    { "us", 1 },          { "ms", 1000 },          { "s", 1000000 },        { "min", 60000000 },
    { "h", 3600000000 },  { "d", 86400000000 },    { NULL, 0 },
};
static const struct unit size_units[] = {
    { "B", 1 }, { "kB", 1024 }, { "MB", 1048576 }, { "GB", 1073741824 }, { "TB", 1099511627776 }, { NULL, 0 },
};

/* Reads digits; false when there are none or they overflow. */
static bool number_from_text(const char **text, int64_t *number)
{
    const char *at = *text;

    *number = 0;
    for (; *at >= '0' && *at <= '9'; at++)
        if (__builtin_mul_overflow(*number, 10, number) || __builtin_add_overflow(*number, *at - '0', number))
            return false;
    if (at == *text)
        return false;
    *text = at;
    return true;
}

static bool quantity_from_text(const char *text, const struct unit *units, int64_t *quantity)
{
    int64_t number;

    if (!number_from_text(&text, &number))
        return false;
    while (*text == ' ')
        text++;
    for (; units->name != NULL; units++)
        if (strcmp(text, units->name) == 0)
            return !__builtin_mul_overflow(number, units->factor, quantity);
    return false;
}

bool duration_from_text(const char *text, uint64_t *us)
{
    int64_t quantity;

    if (!quantity_from_text(text, duration_units, &quantity))
        return false;
    *us = (uint64_t)quantity;
    return true;
}

bool size_from_text(const char *text, int64_t *bytes)
{
    return quantity_from_text(text, size_units, bytes);
}

/* Operators compare seconds, so durations grow no larger unit; sizes take the largest that divides. */
static void quantity_to_text(int64_t quantity, const struct unit *units, int64_t largest, char *text,
                             size_t room)
{
    const struct unit *best = units;

    for (const struct unit *unit = units; unit->name != NULL && unit->factor <= largest; unit++)
        if (quantity % unit->factor == 0)
            best = unit;
    if (quantity == 0)
        best = units == duration_units ? &duration_units[2] : units;
    snprintf(text, room, "%" PRId64 "%s", quantity / best->factor, best->name);
}

static void duration_to_text(int64_t us, char *text, size_t room)
{
    quantity_to_text(us, duration_units, duration_units[2].factor, text, room);
}

static void size_to_text(int64_t bytes, char *text, size_t room)
{
    quantity_to_text(bytes, size_units, INT64_MAX, text, room);
}

static const struct conf_word *word_find(const struct conf_word *words, const char *text)
{
    for (; words->word != NULL; words++)
        if (strcmp(words->word, text) == 0)
            return words;
    return NULL;
}

static bool in_range(const struct conf_row *row, int64_t number)
{
    return number >= row->min && number <= row->max;
}

static bool int_set(const struct conf_row *row, const char *text, int *field)
{
    bool negative = *text == '-';
    int64_t number;

    text += negative;
    if (!number_from_text(&text, &number) || *text != '\0')
        return false;
    number = negative ? -number : number;
    if (!in_range(row, number) || number < INT_MIN || number > INT_MAX)
        return false;
    *field = (int)number;
    return true;
}

static bool string_set(const struct conf_row *row, const char *text, const char **field, struct arena *arena)
{
    if (!in_range(row, (int64_t)strlen(text)))
        return false;
    if (row->type == CONF_WORD && word_find(row->words, text) == NULL)
        return false;
    *field = arena_string(arena, text);
    return true;
}

static bool enum_set(const struct conf_row *row, const char *text, void *field)
{
    const struct conf_word *word = word_find(row->words, text);

    if (word == NULL)
        return false;
    memcpy(field, &word->value, sizeof word->value);
    return true;
}

static bool duration_set(const struct conf_row *row, const char *text, uint64_t *field)
{
    uint64_t us;

    if (!duration_from_text(text, &us) || !in_range(row, (int64_t)us))
        return false;
    *field = us;
    return true;
}

static bool size_set(const struct conf_row *row, const char *text, int64_t *field)
{
    const struct conf_word *word = row->words == NULL ? NULL : word_find(row->words, text);
    int64_t bytes;

    if (word != NULL) {
        *field = word->value;
        return true;
    }
    if (!size_from_text(text, &bytes) || !in_range(row, bytes))
        return false;
    *field = bytes;
    return true;
}

static bool bool_set(const char *text, bool *field)
{
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return false;
    *field = *text == 't';
    return true;
}

static bool strings_set(const struct conf_row *row, const char *text, struct strings *field,
                        struct arena *arena)
{
    struct strings list = { 0 };
    size_t room = 1;

    for (const char *at = text; *at != '\0'; at++)
        room += *at == ',';
    list.items = arena_alloc(arena, room * sizeof *list.items);
    while (*text != '\0') {
        size_t length = strcspn(text, ",");

        list.items[list.count++] = arena_copy(arena, text, length);
        text += length;
        text += strspn(text, ", ");
    }
    if (!in_range(row, (int64_t)list.count))
        return false;
    *field = list;
    return true;
}

bool row_from_text(const struct conf_row *row, const char *text, void *into, struct arena *arena)
{
    void *field = (char *)into + row->offset;

    switch (row->type) {
    case CONF_INT: return int_set(row, text, field);
    case CONF_BOOL: return bool_set(text, field);
    case CONF_DURATION: return duration_set(row, text, field);
    case CONF_SIZE: return size_set(row, text, field);
    case CONF_STRING:
    case CONF_WORD:
    case CONF_PATH: return string_set(row, text, field, arena);
    case CONF_ENUM: return enum_set(row, text, field);
    case CONF_STRINGS:
    case CONF_TEXTS: return strings_set(row, text, field, arena);
    case CONF_PAIRS: return false;
    case CONF_STATE: return session_state_from_text(text, field);
    }
    UNREACHABLE();
}

static size_t row_field_size(enum conf_type type)
{
    switch (type) {
    case CONF_INT:
    case CONF_ENUM: return sizeof(int);
    case CONF_BOOL: return sizeof(bool);
    case CONF_DURATION:
    case CONF_SIZE: return sizeof(uint64_t);
    case CONF_STRING:
    case CONF_WORD:
    case CONF_PATH: return sizeof(const char *);
    case CONF_STRINGS:
    case CONF_TEXTS: return sizeof(struct strings);
    case CONF_PAIRS: return sizeof(struct pairs);
    case CONF_STATE: return sizeof(struct session_state);
    }
    UNREACHABLE();
}

void rows_defaults(const struct conf_row *rows, size_t count, void *into, struct arena *arena)
{
    for (size_t i = 0; i < count; i++) {
        memset((char *)into + rows[i].offset, 0, row_field_size(rows[i].type));
        if (rows[i].fallback != NULL && rows[i].fallback != conf_required)
            CHECK(row_from_text(&rows[i], rows[i].fallback, into, arena));
    }
}

static void text_add(char *text, size_t room, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void text_add(char *text, size_t room, const char *format, ...)
{
    size_t used = strlen(text);
    va_list args;

    va_start(args, format);
    vsnprintf(text + used, room - used, format, args);
    va_end(args);
}

static void strings_to_text(const struct strings *list, char *text, size_t room)
{
    for (size_t i = 0; i < list->count; i++)
        text_add(text, room, "%s%s", i == 0 ? "" : ", ", list->items[i]);
}

static void pairs_to_text(const struct pairs *pairs, char *text, size_t room)
{
    for (size_t i = 0; i < pairs->count; i++)
        text_add(text, room, "%s%s=%s", i == 0 ? "" : ", ", pairs->items[i].name, pairs->items[i].value);
}

static void size_or_word_to_text(const struct conf_row *row, int64_t bytes, char *text, size_t room)
{
    for (const struct conf_word *word = row->words; word != NULL && word->word != NULL; word++) {
        if (word->value == bytes) {
            text_add(text, room, "%s", word->word);
            return;
        }
    }
    size_to_text(bytes, text, room);
}

static const char *enum_word(const struct conf_row *row, const void *field)
{
    int value;

    memcpy(&value, field, sizeof value);
    for (const struct conf_word *word = row->words; word->word != NULL; word++)
        if (word->value == value)
            return word->word;
    UNREACHABLE();
}

void row_to_text(const struct conf_row *row, const void *from, char *text, size_t room)
{
    const void *field = (const char *)from + row->offset;
    const char *string;

    text[0] = '\0';
    switch (row->type) {
    case CONF_INT: text_add(text, room, "%d", *(const int *)field); return;
    case CONF_BOOL: text_add(text, room, "%s", *(const bool *)field ? "true" : "false"); return;
    case CONF_DURATION: duration_to_text((int64_t) * (const uint64_t *)field, text, room); return;
    case CONF_SIZE: size_or_word_to_text(row, *(const int64_t *)field, text, room); return;
    case CONF_STRING:
    case CONF_WORD:
    case CONF_PATH:
        string = *(const char *const *)field;
        text_add(text, room, "%s", string == NULL ? "" : string);
        return;
    case CONF_ENUM: text_add(text, room, "%s", enum_word(row, field)); return;
    case CONF_STRINGS:
    case CONF_TEXTS: strings_to_text(field, text, room); return;
    case CONF_PAIRS: pairs_to_text(field, text, room); return;
    case CONF_STATE: session_state_to_text(field, text, room); return;
    }
    UNREACHABLE();
}

static void expected_words(const struct conf_word *words, char *text, size_t room)
{
    text_add(text, room, "one of");
    for (; words->word != NULL; words++)
        text_add(text, room, " \"%s\"%s", words->word, words[1].word == NULL ? "" : ",");
}

static void expected_range(const struct conf_row *row, char *text, size_t room,
                           void (*print)(int64_t, char *, size_t))
{
    char low[32], high[32];

    print(row->min, low, sizeof low);
    print(row->max, high, sizeof high);
    if (row->max == INT64_MAX)
        text_add(text, room, row->min > 0 ? ", at least %s" : "%.0s", low);
    else
        text_add(text, room, ", from %s to %s", low, high);
}

void row_expected(const struct conf_row *row, char *text, size_t room)
{
    text[0] = '\0';
    switch (row->type) {
    case CONF_INT:
        text_add(text, room, "a whole number from %" PRId64 " to %" PRId64, row->min, row->max);
        return;
    case CONF_BOOL: text_add(text, room, "true or false"); return;
    case CONF_DURATION:
        text_add(text, room, "a duration with its unit (us, ms, s, min, h or d) in quotes, such as \"30s\"");
        expected_range(row, text, room, duration_to_text);
        return;
    case CONF_SIZE:
        text_add(text, room, "a size with its unit (B, kB, MB, GB or TB) in quotes, such as \"64kB\"");
        expected_range(row, text, room, size_to_text);
        for (const struct conf_word *word = row->words; word != NULL && word->word != NULL; word++)
            text_add(text, room, ", or \"%s\"", word->word);
        return;
    case CONF_STRING:
        text_add(text, room, "a string of %" PRId64 " to %" PRId64 " bytes", row->min, row->max);
        return;
    case CONF_PATH: text_add(text, room, "the path of a file or directory, in quotes"); return;
    case CONF_WORD:
    case CONF_ENUM: expected_words(row->words, text, room); return;
    case CONF_STRINGS:
        text_add(text, room, "a string or a list of strings, such as [ \"one\", \"two\" ]");
        return;
    case CONF_TEXTS:
        text_add(text, room, "a value or a list of values, such as [ \"one\", \"two\" ]");
        return;
    case CONF_PAIRS:
        text_add(text, room, "names and values, such as { name = \"value\"; } or, for names with dots, "
                             "[ \"first.name=value\" ]");
        return;
    case CONF_STATE:
        expected_words(row->words, text, room);
        text_add(text, room, ", or a group of them by kind, such as { temporary = \"refuse\"; "
                             "default = \"pin\"; }");
        return;
    }
    UNREACHABLE();
}
