/* SPDX-License-Identifier: PostgreSQL
 * test_backup_names - labels, globs, sizes and times as the runner writes and accepts them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "backup/label.h"
#include "backup/logical.h"
#include "backup/text.h"

static void a_label_tells_time_and_job(void **state)
{
    char label[LABEL_BYTES];

    (void)state;
    label_make(label, "nightly", LABEL_LOGICAL, 1795231565);
    assert_string_equal(label, "20261121T032605Z-nightly-L");
    assert_true(label_is_valid(label));
    label_make(label, "a234567890b234567890c234567890d2", LABEL_PHYSICAL, 1795231565);
    assert_true(label_is_valid(label));
}

static void what_is_no_label_is_never_a_path(void **state)
{
    static const char *const wrong[] = {
        "",
        ".",
        "../../etc/passwd",
        "20261121T032605Z-nightly",
        "20261121T032605Z-nightly-L/..",
        "20261121T032605Z-../x-L",
        "20261121T032605Z--L",
        "20261121X032605Z-nightly-L",
        "2026112aT032605Z-nightly-L",
        "20261121T032605Z-nightly-L.partial",
        "20261121T032605Z-nightly\n-L",
    };

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (label_is_valid(wrong[i]))
            fail_msg("\"%s\" was taken for a label", wrong[i]);
}

static void names_are_short_and_plain(void **state)
{
    (void)state;
    assert_true(label_is_name("nightly_2.a-b", 32));
    assert_false(label_is_name("-rf", 32));
    assert_false(label_is_name(".hidden", 32));
    assert_false(label_is_name("a b", 32));
    assert_false(label_is_name("a/b", 32));
    assert_false(label_is_name("", 32));
    assert_true(label_is_name("abc", 3));
    assert_false(label_is_name("abcd", 3));
}

static void globs_choose_databases(void **state)
{
    static const char *const globs[] = { "app*", "?x", "[ab]c" };

    (void)state;
    assert_true(logical_glob_matches(globs, 3, "app"));
    assert_true(logical_glob_matches(globs, 3, "app_two"));
    assert_true(logical_glob_matches(globs, 3, "yx"));
    assert_true(logical_glob_matches(globs, 3, "bc"));
    assert_false(logical_glob_matches(globs, 3, "cc"));
    assert_false(logical_glob_matches(globs, 3, "my app"));
    assert_false(logical_glob_matches(globs, 0, "app"));
}

static void sizes_and_times_read_well(void **state)
{
    char text[TEXT_SHORT];

    (void)state;
    assert_string_equal(text_size(text, 0), "0 B");
    assert_string_equal(text_size(text, 1023), "1023 B");
    assert_string_equal(text_size(text, 1536), "1.5 kB");
    assert_string_equal(text_size(text, UINT64_C(5) << 40), "5.0 TB");
    assert_string_equal(text_size(text, UINT64_MAX), "16384 PB");
    assert_string_equal(text_duration(text, 400000), "0.4 s");
    assert_string_equal(text_duration(text, 12000000), "12 s");
    assert_string_equal(text_duration(text, 185000000), "3 min 05 s");
    assert_string_equal(text_duration(text, UINT64_C(7620000000)), "2 h 07 min");
    assert_string_equal(text_time(text, 1795231565), "2026-11-21 03:26:05Z");
    assert_string_equal(text_time(text, 0), "-");
    assert_string_equal(text_time(text, INT64_MAX), "-");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_label_tells_time_and_job), cmocka_unit_test(what_is_no_label_is_never_a_path),
        cmocka_unit_test(names_are_short_and_plain),  cmocka_unit_test(globs_choose_databases),
        cmocka_unit_test(sizes_and_times_read_well),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
