/* SPDX-License-Identifier: PostgreSQL
 * test_startup_name - application_name becomes what PostgreSQL makes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/fault.h"
#include "gateway/wire/startup.h"

static void an_application_name_is_cut_and_made_printable(void **state)
{
    char name[STARTUP_NAME_BYTES], sent[200];
    struct fault notice;

    (void)state;
    startup_clean_name("a\tb\x7f\xc3\xa4", name, &notice);
    assert_string_equal(name, "a?b???");
    assert_string_equal(notice.message, "");
    snprintf(sent, sizeof sent, "%062d\xc3\xa4", 0);
    startup_clean_name(sent, name, &notice);
    assert_int_equal(strlen(name), 62);
    assert_string_equal(notice.sqlstate, "42622");
    sent[63] = '\0';
    startup_clean_name(sent, name, &notice);
    assert_int_equal(strlen(name), 63);
    assert_string_equal(notice.message, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_application_name_is_cut_and_made_printable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
