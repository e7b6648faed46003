/* SPDX-License-Identifier: PostgreSQL
 * test_census - connections are counted where they belong, up to the limit, and leave no trace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "gateway/census.h"

static bool enter(struct census *census, struct census_seat *seat, enum census_kind kind, const char *key,
                  int limit)
{
    return census_enter(census, seat, kind, key, strlen(key), limit);
}

static void so_many_come_in_and_no_more(void **state)
{
    struct census_seat seats[4] = {0};
    struct census census;

    (void)state;
    census_open(&census);
    for (int i = 0; i < 3; i++)
        assert_true(enter(&census, &seats[i], CENSUS_USER, "ann", 3));
    assert_false(enter(&census, &seats[3], CENSUS_USER, "ann", 3));
    assert_null(seats[3].entries[CENSUS_USER]);
    census_leave(&census, &seats[0]);
    assert_true(enter(&census, &seats[3], CENSUS_USER, "ann", 3));
    for (int i = 0; i < 4; i++)
        census_leave(&census, &seats[i]);
    census_close(&census);
}

static void kinds_and_names_are_counted_apart(void **state)
{
    struct census_seat one = {0}, two = {0}, three = {0};
    struct census census;

    (void)state;
    census_open(&census);
    assert_true(enter(&census, &one, CENSUS_USER, "ann", 1));
    assert_true(enter(&census, &one, CENSUS_DATABASE, "ann", 1));
    assert_true(enter(&census, &two, CENSUS_USER, "anna", 1));
    assert_true(enter(&census, &two, CENSUS_ROUTE, "", 1));
    assert_false(enter(&census, &three, CENSUS_DATABASE, "ann", 1));
    census_leave(&census, &one);
    assert_true(enter(&census, &three, CENSUS_DATABASE, "ann", 1));
    census_leave(&census, &two);
    census_leave(&census, &three);
    census_close(&census);
}

static void without_a_limit_everybody_is_counted_and_let_in(void **state)
{
    struct census_seat seats[10] = {0}, late = {0};
    struct census census;

    (void)state;
    census_open(&census);
    for (int i = 0; i < 10; i++)
        assert_true(enter(&census, &seats[i], CENSUS_ADDRESS, "\1\2\3\4", 0));
    assert_false(enter(&census, &late, CENSUS_ADDRESS, "\1\2\3\4", 10));
    for (int i = 0; i < 10; i++)
        census_leave(&census, &seats[i]);
    census_leave(&census, &late);
    census_close(&census);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(so_many_come_in_and_no_more),
        cmocka_unit_test(kinds_and_names_are_counted_apart),
        cmocka_unit_test(without_a_limit_everybody_is_counted_and_let_in),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
