/* SPDX-License-Identifier: PostgreSQL
 * words - cuts a statement into words for the classifier, past white space and comments. */
#include "router/words.h"

#include <string.h>
#include <strings.h>

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* PostgreSQL lets every byte above ASCII into identifiers. */
static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_name(char c)
{
    return is_name_start(c) || is_digit(c) || c == '$';
}

static bool looks_at(const struct words *words, const char *text)
{
    size_t length = strlen(text);

    return (size_t)(words->end - words->at) >= length && memcmp(words->at, text, length) == 0;
}

/* Block comments nest in PostgreSQL. */
static void skip_block_comment(struct words *words)
{
    int depth = 0;

    do {
        if (looks_at(words, "/*")) {
            depth++;
            words->at += 2;
        } else if (looks_at(words, "*/")) {
            depth--;
            words->at += 2;
        } else {
            words->at++;
        }
    } while (depth > 0 && words->at < words->end);
}

static void skip_blank(struct words *words)
{
    while (words->at < words->end) {
        if (is_space(*words->at)) {
            words->at++;
        } else if (looks_at(words, "--")) {
            const char *line_end = memchr(words->at, '\n', (size_t)(words->end - words->at));

            words->at = line_end == NULL ? words->end : line_end;
        } else if (looks_at(words, "/*")) {
            skip_block_comment(words);
        } else {
            return;
        }
    }
}

/* From the opening quote; doubled quotes belong to the text, and with escapes so does what follows a `\`. */
static struct word quoted(struct words *words, enum word_kind kind, bool escapes)
{
    char quote = *words->at++;
    struct word word = { .kind = kind, .text = words->at };

    while (words->at < words->end) {
        bool doubled = *words->at == quote && words->at + 1 < words->end && words->at[1] == quote;
        bool escaped = escapes && *words->at == '\\' && words->at + 1 < words->end;

        if (*words->at == quote && !doubled)
            break;
        words->at += doubled || escaped ? 2 : 1;
    }
    word.length = (size_t)(words->at - word.text);
    if (words->at < words->end)
        words->at++;
    return word;
}

/* $tag$ ... $tag$; false when what stands there opens no dollar quote. */
static bool dollar_quoted(struct words *words, struct word *word)
{
    const char *tag_end = words->at + 1;
    const char *close;
    size_t tag;

    while (tag_end < words->end && is_name(*tag_end) && *tag_end != '$')
        tag_end++;
    if (tag_end == words->end || *tag_end != '$' || is_digit(words->at[1]))
        return false;
    tag = (size_t)(tag_end + 1 - words->at);
    *word = (struct word){ .kind = WORD_STRING, .text = words->at + tag };
    close = memmem(word->text, (size_t)(words->end - word->text), words->at, tag);
    word->length = (size_t)((close == NULL ? words->end : close) - word->text);
    words->at = close == NULL ? words->end : close + tag;
    return true;
}

static struct word name(struct words *words)
{
    struct word word = { .kind = WORD_NAME, .text = words->at };

    while (words->at < words->end && is_name(*words->at))
        words->at++;
    word.length = (size_t)(words->at - word.text);
    if (word.length == 1 && words->at < words->end && *words->at == '\'' &&
        strchr("eEbBxXnN", *word.text) != NULL)
        return quoted(words, WORD_STRING, *word.text == 'e' || *word.text == 'E');
    return word;
}

static struct word number(struct words *words)
{
    struct word word = { .kind = WORD_NUMBER, .text = words->at };

    while (words->at < words->end && (is_name(*words->at) || *words->at == '.'))
        words->at++;
    word.length = (size_t)(words->at - word.text);
    return word;
}

struct word word_next(struct words *words)
{
    struct word word;

    skip_blank(words);
    if (words->at >= words->end)
        return (struct word){ .kind = WORD_END, .text = words->end };
    if (is_name_start(*words->at))
        return name(words);
    if (is_digit(*words->at))
        return number(words);
    if (*words->at == '\'')
        return quoted(words, WORD_STRING, false);
    if (*words->at == '"')
        return quoted(words, WORD_QUOTED, false);
    if (*words->at == '$' && dollar_quoted(words, &word))
        return word;
    return (struct word){ .kind = WORD_SYMBOL, .text = words->at++, .length = 1 };
}

bool word_is(const struct word *word, const char *wanted)
{
    if ((word->kind != WORD_NAME && word->kind != WORD_QUOTED) || word->length != strlen(wanted))
        return false;
    return word->kind == WORD_NAME ? strncasecmp(word->text, wanted, word->length) == 0
                                   : memcmp(word->text, wanted, word->length) == 0;
}

bool word_is_symbol(const struct word *word, char symbol)
{
    return word->kind == WORD_SYMBOL && *word->text == symbol;
}
