/* SPDX-License-Identifier: PostgreSQL
 * test_base64 - values survive their text, and have only one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/wire/base64.h"

#define TEXT(text) (text), strlen(text)

static void base64_has_one_text_for_each_value(void **state)
{
    static const char *const bad[] = { "A",    "AA",   "AAA",   "A===",     "AB==",  "AAB=", "AA=A",
                                       "=AAA", "====", "AAAA=", "AA==AAAA", "AAA\n", "AA A", "A-_A" };
    unsigned char bytes[64], back[64];
    char text[BASE64_ROOM(64)];
    size_t count;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(base64_decode(TEXT(bad[i]), bytes, sizeof bytes, &count));
    for (size_t length = 0; length < sizeof bytes; length++) {
        for (size_t i = 0; i < length; i++)
            bytes[i] = (unsigned char)(i * 37 + length);
        assert_int_equal(base64_encode(bytes, length, text, sizeof text), (length + 2) / 3 * 4);
        assert_true(base64_decode(TEXT(text), back, length, &count));
        assert_int_equal(count, length);
        assert_memory_equal(bytes, back, length);
        if (length > 0)
            assert_false(base64_decode(TEXT(text), back, length - 1, &count));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(base64_has_one_text_for_each_value) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
