/* SPDX-License-Identifier: PostgreSQL
 * mentions - the prepared statements that an SQL text names. */
#include "gateway/session/mentions.h"

#include <string.h>
#include <strings.h>

static bool word_is(const struct token *token, const char *word)
{
    return token->kind == TOKEN_WORD && token->length == strlen(word) &&
           strncasecmp(token->text, word, token->length) == 0;
}

static bool is_name(const struct token *token)
{
    return token->kind == TOKEN_WORD || token->kind == TOKEN_QUOTED || token->kind == TOKEN_UNICODE;
}

static bool is_semicolon(const struct token *token)
{
    return token->kind == TOKEN_SYMBOL && *token->text == ';';
}

static void step(struct mentions *mentions)
{
    mentions->opening = is_semicolon(&mentions->ahead);
    lexer_next(&mentions->lexer, &mentions->ahead);
}

void mentions_begin(struct mentions *mentions, const char *text, size_t length, bool standard_strings)
{
    lexer_init(&mentions->lexer, text, length, standard_strings);
    lexer_next(&mentions->lexer, &mentions->ahead);
    mentions->opening = true;
}

/* One byte more than fits was copied: the cut goes between two characters. */
static size_t cut(const char *name, size_t used)
{
    used--;
    while (used > MENTION_NAME_BYTES - 4 && ((unsigned char)name[used] & 0xc0) == 0x80)
        used--;
    return used;
}

/* Folded unless quoted, doubled quotes once, at most 63 bytes. */
static void name_copy(const struct token *token, char name[MENTION_NAME_BYTES])
{
    size_t used = 0;

    for (size_t i = 0; i < token->length && used < MENTION_NAME_BYTES; i++) {
        char c = token->text[i];

        name[used++] = token->kind == TOKEN_WORD && c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
        if (token->kind == TOKEN_QUOTED && c == '"')
            i++;
    }
    if (used == MENTION_NAME_BYTES)
        used = cut(name, used);
    if (token->kind == TOKEN_UNICODE)
        used = 0;
    name[used] = '\0';
}

/* Behind DEALLOCATE [PREPARE]: a statement may be called "prepare". */
static void deallocated(struct mentions *mentions, struct mention *mention)
{
    struct token name = mentions->ahead;

    mention->kind = MENTION_DEALLOCATE;
    if (word_is(&name, "prepare")) {
        step(mentions);
        if (is_name(&mentions->ahead))
            name = mentions->ahead;
    }
    name_copy(&name, mention->name);
    if (!word_is(&name, "all"))
        return;
    mention->kind = MENTION_DEALLOCATE_ALL;
    *mention->name = '\0';
}

bool mentions_next(struct mentions *mentions, struct mention *mention)
{
    while (mentions->ahead.kind != TOKEN_END) {
        struct token word = mentions->ahead;
        bool opening = mentions->opening;

        step(mentions);
        if (!is_name(&mentions->ahead))
            continue;
        if (opening && word_is(&word, "deallocate")) {
            deallocated(mentions, mention);
            return true;
        }
        if (word_is(&word, "execute") || (opening && word_is(&word, "prepare"))) {
            mention->kind = word_is(&word, "execute") ? MENTION_EXECUTE : MENTION_PREPARE;
            name_copy(&mentions->ahead, mention->name);
            return true;
        }
    }
    return false;
}
