/* SPDX-License-Identifier: PostgreSQL
 * keyword - the words of SQL that say something about session state; rows of keywords.def. Hot path: every
 * identifier of every query is looked up. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "conf/pins.h"

enum keyword {
    KEYWORD_NONE,
#define WORD(id, text, first, second, last) KEYWORD_##id,
#define LIVE(id, text, first, second, last) KEYWORD_##id,
#define NAME(id, text, first, second, last, pin) KEYWORD_##id,
#include "gateway/session/keywords.def"
#undef WORD
#undef LIVE
#undef NAME
    KEYWORDS
};

/* A perfect hash of length and three letters in lower case. The factors were found by trying: should two rows
 * ever share a slot the compiler refuses the second initializer, and other factors have to be found. */
#define KEYWORD_SLOTS 1024u
#define KEYWORD_SLOT(length, first, second, last) \
    ((((first) | (second) << 8) * 1695u + (last) * 475u + (length) * 671u) / 8 % KEYWORD_SLOTS)

/* The LIVE and NAME rows by slot; KEYWORD_NONE where there is none. */
extern const unsigned char keyword_live_slots[KEYWORD_SLOTS];

/* Whether text is this row's, in any case. */
bool keyword_is(enum keyword keyword, const char *text, size_t length);
/* pg_temp_N names the same schema as pg_temp does. */
bool keyword_is_numbered_temp(const char *text, size_t length);
/* The suspicion a NAME row raises; PIN_NONE for all others. */
enum pin_reason keyword_pin(enum keyword keyword);
/* Whether it counts in quotes too. */
bool keyword_is_name(enum keyword keyword);

/* The row of an identifier, of any kind. */
enum keyword keyword_find(const char *text, size_t length);

/* Of two letters or more. */
static inline unsigned keyword_slot(const char *text, size_t length)
{
    unsigned first = (unsigned char)text[0] | 0x20, second = (unsigned char)text[1] | 0x20;
    unsigned last = (unsigned char)text[length - 1] | 0x20;

    return KEYWORD_SLOT((unsigned)length, first, second, last);
}

/* The LIVE or NAME row of an identifier of two letters or more, quoted or not. */
static inline enum keyword keyword_find_live(const char *text, size_t length)
{
    enum keyword keyword = keyword_live_slots[keyword_slot(text, length)];

    if (keyword != KEYWORD_NONE && keyword_is(keyword, text, length))
        return keyword;
    if (length > 8 && text[2] == '_' && keyword_is_numbered_temp(text, length))
        return KEYWORD_PG_TEMP;
    return KEYWORD_NONE;
}
