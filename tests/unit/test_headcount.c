/* SPDX-License-Identifier: PostgreSQL
 * test_headcount - connections are counted where they belong, up to the limit, and leave no trace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "gateway/headcount.h"

static bool enter(struct headcount *headcount, struct headcount_seat *seat, enum headcount_kind kind,
                  const char *key, int limit)
{
    return headcount_enter(headcount, seat, kind, key, strlen(key), limit);
}

static void so_many_come_in_and_no_more(void **state)
{
    struct headcount_seat seats[4] = {0};
    struct headcount headcount;

    (void)state;
    headcount_open(&headcount);
    for (int i = 0; i < 3; i++)
        assert_true(enter(&headcount, &seats[i], HEADCOUNT_USER, "ann", 3));
    assert_false(enter(&headcount, &seats[3], HEADCOUNT_USER, "ann", 3));
    assert_null(seats[3].entries[HEADCOUNT_USER]);
    headcount_leave(&headcount, &seats[0]);
    assert_true(enter(&headcount, &seats[3], HEADCOUNT_USER, "ann", 3));
    for (int i = 0; i < 4; i++)
        headcount_leave(&headcount, &seats[i]);
    headcount_close(&headcount);
}

static void kinds_and_names_are_counted_apart(void **state)
{
    struct headcount_seat one = {0}, two = {0}, three = {0};
    struct headcount headcount;

    (void)state;
    headcount_open(&headcount);
    assert_true(enter(&headcount, &one, HEADCOUNT_USER, "ann", 1));
    assert_true(enter(&headcount, &one, HEADCOUNT_DATABASE, "ann", 1));
    assert_true(enter(&headcount, &two, HEADCOUNT_USER, "anna", 1));
    assert_true(enter(&headcount, &two, HEADCOUNT_ROUTE, "", 1));
    assert_false(enter(&headcount, &three, HEADCOUNT_DATABASE, "ann", 1));
    headcount_leave(&headcount, &one);
    assert_true(enter(&headcount, &three, HEADCOUNT_DATABASE, "ann", 1));
    headcount_leave(&headcount, &two);
    headcount_leave(&headcount, &three);
    headcount_close(&headcount);
}

static void without_a_limit_everybody_is_counted_and_let_in(void **state)
{
    struct headcount_seat seats[10] = {0}, late = {0};
    struct headcount headcount;

    (void)state;
    headcount_open(&headcount);
    for (int i = 0; i < 10; i++)
        assert_true(enter(&headcount, &seats[i], HEADCOUNT_ADDRESS, "\1\2\3\4", 0));
    assert_false(enter(&headcount, &late, HEADCOUNT_ADDRESS, "\1\2\3\4", 10));
    for (int i = 0; i < 10; i++)
        headcount_leave(&headcount, &seats[i]);
    headcount_leave(&headcount, &late);
    headcount_close(&headcount);
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
