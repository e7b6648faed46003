/* SPDX-License-Identifier: PostgreSQL
 * fuzz_statement - any text is classified, and the same again when its key words are written in capitals and
 * a comment stands in front of it. */
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    char loud[TEXT_BYTES + 64], name[64];

    for (int standard = 0; standard < 2; standard++) {
        struct statement_facts facts, again;

        statement_classify(text, size, standard == 1, &facts);
        if (size > TEXT_BYTES)
            continue;
        statement_classify(loud, shout(text, size, standard == 1, loud), standard == 1, &again);
        CHECK(memcmp(&facts, &again, sizeof facts) == 0);
    }
    if (statement_is_deallocate(text, size, name, sizeof name))
        CHECK(strlen(name) < sizeof name);
    return 0;
}
