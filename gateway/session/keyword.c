/* SPDX-License-Identifier: PostgreSQL
 * keyword - the table that finds words of SQL without regard to case. */
#include "gateway/session/keyword.h"

enum kind { KIND_WORD, KIND_LIVE, KIND_NAME };

struct row {
    const char *text;
    unsigned char length, kind, pin;
};

static const struct row rows[KEYWORDS] = {
    [KEYWORD_NONE] = {"", 0, KIND_WORD, PIN_NONE},
#define WORD(id, text, first, second, last) [KEYWORD_##id] = {text, sizeof(text) - 1, KIND_WORD, PIN_NONE},
#define LIVE(id, text, first, second, last) [KEYWORD_##id] = {text, sizeof(text) - 1, KIND_LIVE, PIN_NONE},
#define NAME(id, text, first, second, last, pin) \
    [KEYWORD_##id] = {text, sizeof(text) - 1, KIND_NAME, PIN_##pin},
#include "gateway/session/keywords.def"
#undef WORD
#undef LIVE
#undef NAME
};

#define ROW(id, text, first, second, last) \
    [KEYWORD_SLOT((unsigned)sizeof(text) - 1, first, second, last)] = KEYWORD_##id,

static const unsigned char slots[KEYWORD_SLOTS] = {
#define WORD(id, text, first, second, last) ROW(id, text, first, second, last)
#define LIVE(id, text, first, second, last) ROW(id, text, first, second, last)
#define NAME(id, text, first, second, last, pin) ROW(id, text, first, second, last)
#include "gateway/session/keywords.def"
#undef WORD
#undef LIVE
#undef NAME
};

const unsigned char keyword_live_slots[KEYWORD_SLOTS] = {
#define WORD(id, text, first, second, last)
#define LIVE(id, text, first, second, last) ROW(id, text, first, second, last)
#define NAME(id, text, first, second, last, pin) ROW(id, text, first, second, last)
#include "gateway/session/keywords.def"
#undef WORD
#undef LIVE
#undef NAME
};

/* `word` is in lower case. Of the characters of identifiers only letters differ in the bit that is left out.
 * What else it makes the same can stand between quotes, where a name too many does no harm. */
static bool text_begins(const char *text, const char *word, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (((text[i] ^ word[i]) & ~0x20) != 0)
            return false;
    }
    return true;
}

bool keyword_is(enum keyword keyword, const char *text, size_t length)
{
    return length == rows[keyword].length && text_begins(text, rows[keyword].text, length);
}

bool keyword_is_numbered_temp(const char *text, size_t length)
{
    return length > 8 && text_begins(text, "pg_temp_", 8);
}

enum pin_reason keyword_pin(enum keyword keyword)
{
    return (enum pin_reason)rows[keyword].pin;
}

bool keyword_is_name(enum keyword keyword)
{
    return rows[keyword].kind == KIND_NAME;
}

enum keyword keyword_find(const char *text, size_t length)
{
    enum keyword keyword = length < 2 ? KEYWORD_NONE : (enum keyword)slots[keyword_slot(text, length)];

    if (keyword != KEYWORD_NONE && keyword_is(keyword, text, length))
        return keyword;
    return keyword_is_numbered_temp(text, length) ? KEYWORD_PG_TEMP : KEYWORD_NONE;
}
