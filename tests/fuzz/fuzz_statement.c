/* SPDX-License-Identifier: PostgreSQL
 * fuzz_statement - any text is classified, and the same again when its key words are written in capitals and
 * a comment stands in front of it. Every identifier that the lexer finds is told. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/session/lexer.h"
#include "gateway/session/statement.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT_BYTES = 4096 };

/* A comment, then the text with the words outside of quotes in capitals. */
static size_t shout(const char *text, size_t length, bool standard_strings, char *out)
{
    static const char comment[] = "/* ; /* x */ */-- y\n";
    size_t start = sizeof comment - 1;
    struct lexer lexer;
    struct token token;

    memcpy(out, comment, start);
    memcpy(out + start, text, length);
    lexer_init(&lexer, text, length, standard_strings);
    while (lexer_next(&lexer, &token) != TOKEN_END) {
        size_t at = start + (size_t)(token.text - text);

        CHECK(token.text >= text && token.length <= (size_t)(text + length - token.text) + 1);
        for (size_t i = 0; token.kind == TOKEN_WORD && i < token.length; i++) {
            if (out[at + i] >= 'a' && out[at + i] <= 'z')
                out[at + i] = (char)(out[at + i] - 'a' + 'A');
        }
    }
    return start + length;
}

static void check_same(const struct statement_facts *one, const struct statement_facts *other)
{
    CHECK(memcmp(one, other, offsetof(struct statement_facts, settings)) == 0);
    CHECK(one->settings.count == other->settings.count && one->settings.count <= STATEMENT_SETTINGS);
    for (uint32_t i = 0; i < one->settings.count; i++) {
        CHECK(memchr(one->settings.names[i], '\0', SETTING_NAME_BYTES) != NULL);
        CHECK(strcmp(one->settings.names[i], other->settings.names[i]) == 0);
    }
}

/* A lexer that waits for its next identifier to be told. Those in constants are told between,
and some twice. */
static void told(void *owner, const char *name, size_t length)
{
    struct lexer *lexer = owner, before = *lexer;
    struct token token;

    CHECK(length > 0 && length < 64);
    do
        lexer_next(lexer, &token);
    while ((token.kind != TOKEN_WORD && token.kind != TOKEN_QUOTED && token.kind != TOKEN_END)
           || (token.length == 0 && token.kind != TOKEN_END));
    if (token.kind == TOKEN_END || ((*token.text ^ *name) & ~0x20) != 0) /* a name that was cut is folded */
        *lexer = before;
}

static void check_identifiers(const char *text, size_t size)
{
    struct lexer lexer;
    struct token token;

    lexer_init(&lexer, text, size, true);
    statement_identifiers(text, size, told, &lexer);
    while (lexer_next(&lexer, &token) != TOKEN_END)
        CHECK((token.kind != TOKEN_WORD && token.kind != TOKEN_QUOTED) || token.length == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    char loud[TEXT_BYTES + 64], name[64];
    struct statement_facts facts, again;

    for (int standard = 0; standard < 2; standard++) {
        statement_classify(text, size, standard == 1, NULL, &facts);
        if (size > TEXT_BYTES)
            continue;
        statement_classify(loud, shout(text, size, standard == 1, loud), standard == 1, NULL, &again);
        check_same(&facts, &again);
    }
    statement_examine_body(text, size, &facts);
    check_same(&facts, &facts);
    if (size <= TEXT_BYTES && memchr(text, '\0', size) == NULL)
        check_identifiers(text, size);
    if (statement_is_deallocate(text, size, name, sizeof name))
        CHECK(strlen(name) < sizeof name);
    return 0;
}
