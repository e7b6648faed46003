/* SPDX-License-Identifier: PostgreSQL
 * fuzz_redact - whatever the text, what is shown of it fits and holds no string constant but '...'. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/session/lexer.h"
#include "gateway/session/redact.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SHOWN_BYTES = 201 };

/* Of '...', and the prefixes that a word or symbol in front of one may be taken for. */
static const char shown_bytes[] = "'.EeBbXxNnUu&";

static void check_constants(const char *shown, bool standard_strings)
{
    struct lexer lexer;
    struct token token;

    lexer_init(&lexer, shown, strlen(shown), standard_strings);
    while (lexer_next(&lexer, &token) != TOKEN_END)
        CHECK(token.kind != TOKEN_STRING ||
              strspn(token.text, shown_bytes) >= (size_t)(lexer.at - token.text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char shown[SHOWN_BYTES];

    if (memchr(data, 0, size) != NULL)
        return 0;
    for (int standard = 0; standard < 2; standard++) {
        statement_redact((const char *)data, size, standard == 1, shown, sizeof shown);
        CHECK(strlen(shown) < sizeof shown);
        check_constants(shown, standard == 1);
    }
    return 0;
}
