/* SPDX-License-Identifier: PostgreSQL
 * test_settings - sets of settings are one object when they are equal, and the way from one to another is
 * exact. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "router/settings.h"

static struct settings_home home;

static int open_home(void **state)
{
    (void)state;
    settings_open(&home);
    return 0;
}

/* settings_close checks that nothing is left. */
static int close_home(void **state)
{
    (void)state;
    settings_close(&home);
    return 0;
}

/* "name=value" words. */
static const struct settings *make(const char *const *words, size_t count)
{
    struct setting items[8];
    char texts[8][64];
    const struct settings *set;

    for (size_t i = 0; i < count; i++) {
        char *equals;

        strcpy(texts[i], words[i]);
        equals = strchr(texts[i], '=');
        *equals = '\0';
        items[i] = (struct setting){texts[i], equals + 1};
    }
    assert_true(settings_intern(&home, items, count, &set));
    return set;
}

#define SET(...)                                                                                             \
    make((const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void equal_sets_are_the_same_object(void **state)
{
    const struct settings *one = SET("work_mem=1", "datestyle=ISO"),
                          *other = SET("datestyle=ISO", "work_mem=1");
    const struct settings *third = SET("work_mem=2", "datestyle=ISO");

    (void)state;
    assert_ptr_equal(one, other);
    assert_ptr_not_equal(one, third);
    assert_string_equal(settings_value(one, "work_mem"), "1");
    assert_null(settings_value(one, "jit"));
    settings_release(one);
    settings_release(other);
    settings_release(third);
}

static void the_empty_set_is_null(void **state)
{
    const struct settings *set = &(const struct settings){.count = 1};

    (void)state;
    assert_true(settings_intern(&home, NULL, 0, &set));
    assert_null(set);
    assert_null(settings_meaning(NULL));
    assert_null(settings_customs(NULL));
    settings_retain(NULL);
    settings_release(NULL);
}

static void the_last_value_of_a_name_wins(void **state)
{
    const struct settings *set = SET("a=1", "b=2", "a=3");

    (void)state;
    assert_int_equal(set->count, 2);
    settings_release(set);
}

static void a_set_too_many_is_refused(void **state)
{
    struct setting items[SETTINGS_MAX + 1];
    char names[SETTINGS_MAX + 1][8];
    const struct settings *set;

    (void)state;
    for (int i = 0; i <= SETTINGS_MAX; i++) {
        names[i][0] = 'a';
        names[i][1] = (char)('a' + i / 26);
        names[i][2] = (char)('a' + i % 26);
        names[i][3] = '\0';
        items[i] = (struct setting){names[i], ""};
    }
    assert_false(settings_intern(&home, items, SETTINGS_MAX + 1, &set));
    assert_true(settings_intern(&home, items, SETTINGS_MAX, &set));
    settings_release(set);
}

static void parts_are_shared_by_the_sets_they_are_of(void **state)
{
    const struct settings *one = SET("work_mem=1", "search_path=a", "app.x=1");
    const struct settings *other = SET("work_mem=2", "search_path=a", "app.x=2");
    const struct settings *path = SET("search_path=a"), *custom = SET("app.x=");

    (void)state;
    assert_ptr_equal(settings_meaning(one), path);
    assert_ptr_equal(settings_meaning(other), path);
    assert_ptr_equal(settings_meaning(path), path);
    assert_ptr_equal(settings_customs(one), custom);
    assert_ptr_equal(settings_customs(other), custom);
    assert_ptr_equal(settings_customs(custom), custom);
    assert_null(settings_customs(path));
    settings_release(path);
    settings_release(custom);
    settings_release(one);
    settings_release(other);
}

static void a_server_with_a_custom_setting_serves_only_sessions_that_have_it(void **state)
{
    const struct settings *have = SET("app.x=1"), *more = SET("app.x=1", "app.y=2");
    const struct settings *joined, *other = SET("app.y=");

    (void)state;
    assert_true(settings_cover(NULL, NULL, NULL));
    assert_true(settings_cover(have, NULL, NULL));
    assert_true(settings_cover(more, settings_customs(have), NULL));
    assert_false(settings_cover(NULL, settings_customs(have), NULL));
    assert_false(settings_cover(have, settings_customs(more), NULL));
    assert_true(settings_cover(NULL, settings_customs(have), "app.x"));
    assert_true(settings_cover(have, settings_customs(more), "app.y"));
    assert_true(settings_join_customs(&home, have, other, &joined));
    assert_ptr_equal(joined, settings_customs(more));
    settings_release(joined);
    settings_release(other);
    settings_release(have);
    settings_release(more);
}

static void check_change(const struct settings *from, const struct settings *to, enum settings_stage stage,
                         const char *expected)
{
    char *sql;

    assert_true(settings_change(from, to, stage, &sql));
    if (expected == NULL)
        assert_null(sql);
    else
        assert_string_equal(sql, expected);
    free(sql);
}

static void only_the_difference_is_said(void **state)
{
    const struct settings *one = SET("work_mem=1", "datestyle=ISO");
    const struct settings *other = SET("work_mem=2", "datestyle=ISO");

    (void)state;
    check_change(one, one, SETTINGS_REST, NULL);
    check_change(one, other, SETTINGS_REST, "SELECT pg_catalog.set_config(E'work_mem', E'2', false)");
    check_change(
        one, NULL, SETTINGS_REST,
        "SELECT pg_catalog.set_config(E'datestyle', NULL, false), pg_catalog.set_config(E'work_mem', NULL, "
        "false)");
    settings_release(one);
    settings_release(other);
}

static void quotes_and_backslashes_stay_what_they_are(void **state)
{
    const struct settings *set = SET("app.x=it's \\ here");

    (void)state;
    check_change(NULL, set, SETTINGS_REST,
                 "SELECT pg_catalog.set_config(E'app.x', E'it''s \\\\ here', false)");
    settings_release(set);
}

static void the_encoding_goes_first_and_alone(void **state)
{
    const struct settings *set = SET("client_encoding=LATIN1", "app.x=1");

    (void)state;
    check_change(NULL, set, SETTINGS_ENCODING,
                 "SELECT pg_catalog.set_config(E'client_encoding', E'LATIN1', false)");
    check_change(NULL, set, SETTINGS_REST, "SELECT pg_catalog.set_config(E'app.x', E'1', false)");
    settings_release(set);
}

static void the_roles_right_are_dropped_first_and_taken_last(void **state)
{
    const struct settings *from = SET("role=a", "session_authorization=b", "log_statement=all");
    const struct settings *to = SET("role=c", "log_statement=none");

    (void)state;
    check_change(from, to, SETTINGS_REST,
                 "SELECT pg_catalog.set_config(E'session_authorization', NULL, false), "
                 "pg_catalog.set_config(E'role', NULL, false), "
                 "pg_catalog.set_config(E'log_statement', E'none', false), "
                 "pg_catalog.set_config(E'role', E'c', false)");
    settings_release(from);
    settings_release(to);
}

static void what_may_fail_is_waited_for(void **state)
{
    const struct settings *safe = SET("work_mem=1", "enable_seqscan=off"), *role = SET("role=a");
    const struct settings *custom = SET("app.x=1"), *hurry = SET("statement_timeout=1");

    (void)state;
    assert_false(settings_must_wait(NULL, safe));
    assert_true(settings_must_wait(role, safe));
    assert_false(settings_must_wait(NULL, hurry));
    assert_true(settings_must_wait(hurry, NULL));
    assert_true(settings_must_wait(NULL, role));
    assert_true(settings_must_wait(safe, custom));
    settings_release(safe);
    settings_release(role);
    settings_release(custom);
    settings_release(hurry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(equal_sets_are_the_same_object, open_home, close_home),
        cmocka_unit_test_setup_teardown(the_empty_set_is_null, open_home, close_home),
        cmocka_unit_test_setup_teardown(the_last_value_of_a_name_wins, open_home, close_home),
        cmocka_unit_test_setup_teardown(a_set_too_many_is_refused, open_home, close_home),
        cmocka_unit_test_setup_teardown(parts_are_shared_by_the_sets_they_are_of, open_home, close_home),
        cmocka_unit_test_setup_teardown(a_server_with_a_custom_setting_serves_only_sessions_that_have_it,
                                        open_home, close_home),
        cmocka_unit_test_setup_teardown(only_the_difference_is_said, open_home, close_home),
        cmocka_unit_test_setup_teardown(quotes_and_backslashes_stay_what_they_are, open_home, close_home),
        cmocka_unit_test_setup_teardown(the_encoding_goes_first_and_alone, open_home, close_home),
        cmocka_unit_test_setup_teardown(the_roles_right_are_dropped_first_and_taken_last, open_home,
                                        close_home),
        cmocka_unit_test_setup_teardown(what_may_fail_is_waited_for, open_home, close_home),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
