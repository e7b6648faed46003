/* SPDX-License-Identifier: PostgreSQL
 * test_hba_regex - PostgreSQL's regular expressions mean the same here, or are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/auth/hba_regex.h"
#include "gateway/base/arena.h"

static struct hba_regexes regexes;
static char why[400];

static int begin(void **state)
{
    (void)state;
    regexes.arena = arena_new();
    return regexes.arena == NULL;
}

static int end(void **state)
{
    (void)state;
    hba_regexes_free(&regexes);
    arena_free(regexes.arena);
    return 0;
}

static void the_same_texts_match(void **state)
{
    static const struct { const char *regex, *text; bool matches; } rows[] = {
#define REGEX_SAME(regex, text, matches) { regex, text, matches },
#define REGEX_REFUSED(regex)
#include "tests/unit/hba_regex_same.def"
#undef REGEX_SAME
#undef REGEX_REFUSED
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const regex_t *regex = hba_regex_make(&regexes, rows[i].regex, why, sizeof why);

        if (regex == NULL)
            fail_msg("%s", why);
        if ((regexec(regex, rows[i].text, 0, NULL, 0) == 0) != rows[i].matches)
            fail_msg("%s with %s", rows[i].regex, rows[i].text);
    }
}

static void what_would_mean_something_else_is_refused(void **state)
{
    static const char *const rows[] = {
#define REGEX_SAME(regex, text, matches)
#define REGEX_REFUSED(regex) regex,
#include "tests/unit/hba_regex_same.def"
#undef REGEX_SAME
#undef REGEX_REFUSED
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (hba_regex_make(&regexes, rows[i], why, sizeof why) != NULL)
            fail_msg("%s was taken", rows[i]);
        assert_int_equal(strncmp(why, "the regular expression \"", 24), 0);
    }
}

static void check_refused(const char *text, const char *expected)
{
    assert_null(hba_regex_make(&regexes, text, why, sizeof why));
    assert_string_equal(why, expected);
}

static void refusals_say_why(void **state)
{
    (void)state;
    check_refused("", "the regular expression \"\" is not usable: it is empty, and would match everything");
    check_refused("(a)\\1", "the regular expression \"(a)\\1\" is not usable: back-references are not "
                            "supported");
    check_refused("a{100}{100}", "the regular expression \"a{100}{100}\" is not usable: a repeat (* + ? {}) "
                                 "stands where there is nothing to repeat, or it is not a greedy one");
    check_refused("(a{100}){100}", "the regular expression \"(a{100}){100}\" is not usable: its counted "
                                   "repeats multiply to more than 1000");
    check_refused("[z-a]", "the regular expression \"[z-a]\" is not valid: Invalid range end");
}

static void their_size_and_number_are_bounded(void **state)
{
    char text[HBA_REGEX_MAX_BYTES + 2];

    (void)state;
    memset(text, 'a', sizeof text);
    text[HBA_REGEX_MAX_BYTES + 1] = '\0';
    assert_null(hba_regex_make(&regexes, text, why, sizeof why));
    assert_non_null(strstr(why, "at most 512 bytes"));
    text[HBA_REGEX_MAX_BYTES] = '\0';
    assert_non_null(hba_regex_make(&regexes, text, why, sizeof why));
    for (size_t i = 0; i < HBA_REGEX_MAX_BYTES; i += 2)
        memcpy(text + i, "\\W", 2);
    assert_non_null(hba_regex_make(&regexes, text, why, sizeof why));
    for (int i = 2; i < HBA_REGEXES_MAX; i++)
        assert_non_null(hba_regex_make(&regexes, "a", why, sizeof why));
    assert_null(hba_regex_make(&regexes, "a", why, sizeof why));
    assert_non_null(strstr(why, "there are more than 1000 of them"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_same_texts_match, begin, end),
        cmocka_unit_test_setup_teardown(what_would_mean_something_else_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(refusals_say_why, begin, end),
        cmocka_unit_test_setup_teardown(their_size_and_number_are_bounded, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
