/* SPDX-License-Identifier: PostgreSQL
 * test_redact - what an operator reads of a statement tells what it does, and none of its constants. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/session/redact.h"

static void becomes(const char *text, bool standard_strings, const char *expected)
{
    char redacted[201], again[201];

    statement_redact(text, strlen(text), standard_strings, redacted, sizeof redacted);
    assert_string_equal(redacted, expected);
    statement_redact(redacted, strlen(redacted), standard_strings, again, sizeof again);
    assert_string_equal(again, expected);
}

static void constants_of_every_spelling_are_hidden(void **state)
{
    (void)state;
    becomes("select set_config('app.token', 's3cret', false)", true,
            "select set_config('...', '...', false)");
    becomes("select e'it\\'s s3cret', U&'s3cret', $$s3cret$$, $t$s3cret$t$, b'01'", true,
            "select '...', '...', '...', '...', '...'");
    becomes("select 'a''s3cret'\n  's3cret'", true, "select '...'");
    becomes("select 'a\\'s3cret', 1", false, "select '...', 1");
    becomes("alter role a password 's3cret", true, "alter role a password '...'");
}

static void names_and_numbers_stay(void **state)
{
    (void)state;
    becomes("select pg_advisory_lock(42)", true, "select pg_advisory_lock(42)");
    becomes("create temp table \"My \"\"T\"\"\" as select $1", true,
            "create temp table \"My \"\"T\"\"\" as select $1");
    becomes("create temp table U&\"d\\0061t\" (a int)", true, "create temp table U&\"d\\0061t\" (a int)");
}

static void it_is_one_line_without_comments(void **state)
{
    (void)state;
    becomes("\n\t/* by '/shop' */ create  temp -- s3cret\n table t\n(a\tint) ; ", true,
            "create temp table t (a int) ;");
    becomes("-- only words", true, "");
    becomes("", true, "");
}

static void it_is_cut_between_characters(void **state)
{
    char redacted[10];

    (void)state;
    statement_redact("select 12345", 12, true, redacted, sizeof redacted);
    assert_string_equal(redacted, "select 12");
    statement_redact("select a\xc3\xa4z", 11, true, redacted, sizeof redacted);
    assert_string_equal(redacted, "select a");
    statement_redact("select 's3cret'", 15, true, redacted, sizeof redacted);
    assert_string_equal(redacted, "select '.");
    statement_redact("select 1", 8, true, redacted, 1);
    assert_string_equal(redacted, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constants_of_every_spelling_are_hidden),
        cmocka_unit_test(names_and_numbers_stay),
        cmocka_unit_test(it_is_one_line_without_comments),
        cmocka_unit_test(it_is_cut_between_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
