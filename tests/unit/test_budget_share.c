/* SPDX-License-Identifier: PostgreSQL
 * test_budget_share - the arithmetic of the budget. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "router/budget_share.h"

enum { POOLED = SHARE_POOLED, DIRECT = SHARE_DIRECT, ADMIN = SHARE_ADMIN };

static void floors_are(int capacity, int pooled, int direct, int admin)
{
    const int wanted[] = {5, 5, 2};
    int floors[SHARES_OF_CONNECTIONS];

    budget_floors(capacity, wanted, floors);
    assert_int_equal(floors[POOLED], pooled);
    assert_int_equal(floors[DIRECT], direct);
    assert_int_equal(floors[ADMIN], admin);
}

static void floors_hold_as_wanted_where_there_is_enough(void **state)
{
    (void)state;
    floors_are(97, 5, 5, 2);
    floors_are(12, 5, 5, 2);
}

static void floors_shrink_alike_but_each_keeps_one(void **state)
{
    (void)state;
    floors_are(6, 2, 2, 1);
    floors_are(3, 1, 1, 1);
    floors_are(1, 1, 0, 0);
    floors_are(0, 0, 0, 0);
    floors_are(-4, 0, 0, 0);
}

static void what_is_not_wanted_has_no_floor(void **state)
{
    const int wanted[] = {0, 5, 0};
    int floors[SHARES_OF_CONNECTIONS];

    (void)state;
    budget_floors(3, wanted, floors);
    assert_int_equal(floors[POOLED], 0);
    assert_int_equal(floors[DIRECT], 3);
    assert_int_equal(floors[ADMIN], 0);
}

static void a_share_may_take_all_but_the_floors_of_the_others(void **state)
{
    const int floors[] = {5, 5, 2};
    const int nobody[SHARES] = {0}, some[SHARES] = {3, 7, 1, 4};

    (void)state;
    assert_int_equal(budget_room(17, nobody, floors, SHARE_POOLED), 10);
    assert_int_equal(budget_room(17, nobody, floors, SHARE_ADMIN), 7);
    /* what direct sessions have beyond their floor is gone; replication has its own places */
    assert_int_equal(budget_room(17, some, floors, SHARE_POOLED), 17 - 3 - 7 - 2);
    assert_int_equal(budget_room(17, some, floors, SHARE_DIRECT), 17 - 5 - 7 - 2);
    assert_int_equal(budget_room(10, some, floors, SHARE_REPLICATION), 6);
}

static void room_is_negative_after_others_came(void **state)
{
    const int floors[] = {5, 5, 2};
    const int used[SHARES] = {10, 0, 1};

    (void)state;
    assert_int_equal(budget_room(13, used, floors, SHARE_POOLED), -4);
}

static int part_of(int total, const int *wants, size_t count, uint64_t self)
{
    struct budget_demand demands[8];

    for (size_t i = 0; i < count; i++)
        demands[count - 1 - i] = (struct budget_demand){i + 1, wants[i]};
    return budget_split(total, demands, count, self);
}

static void one_gateway_has_it_all(void **state)
{
    const int wants[] = {3};

    (void)state;
    assert_int_equal(part_of(17, wants, 1, 1), 17);
    assert_int_equal(part_of(-2, wants, 1, 1), 0);
}

static void the_idle_one_leaves_to_the_busy_one_what_it_does_not_want(void **state)
{
    const int wants[] = {3, 60};

    (void)state;
    assert_int_equal(part_of(17, wants, 2, 1), 3);
    assert_int_equal(part_of(17, wants, 2, 2), 14);
}

static void what_nobody_wants_is_given_out_evenly(void **state)
{
    const int wants[] = {10, 20};

    (void)state;
    assert_int_equal(part_of(97, wants, 2, 1), 10 + 34);
    assert_int_equal(part_of(97, wants, 2, 2), 20 + 33);
}

static void parts_always_add_up(void **state)
{
    (void)state;
    for (int total = 0; total < 60; total++)
        for (int seed = 0; seed < 50; seed++) {
            const int wants[] = {seed * 7 % 13, seed * 11 % 40, seed % 3, seed * 5 % 23};
            int sum = 0;

            for (uint64_t self = 1; self <= 4; self++)
                sum += part_of(total, wants, 4, self);
            assert_int_equal(sum, total);
        }
}

static void greed_takes_nothing_from_the_modest(void **state)
{
    const int wants[] = {4, 1000000, 1000000};

    (void)state;
    assert_int_equal(part_of(17, wants, 3, 1), 4);
    assert_int_equal(part_of(17, wants, 3, 2) + part_of(17, wants, 3, 3), 13);
    assert_in_range(part_of(17, wants, 3, 2), 6, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(floors_hold_as_wanted_where_there_is_enough),
        cmocka_unit_test(floors_shrink_alike_but_each_keeps_one),
        cmocka_unit_test(what_is_not_wanted_has_no_floor),
        cmocka_unit_test(a_share_may_take_all_but_the_floors_of_the_others),
        cmocka_unit_test(room_is_negative_after_others_came),
        cmocka_unit_test(one_gateway_has_it_all),
        cmocka_unit_test(the_idle_one_leaves_to_the_busy_one_what_it_does_not_want),
        cmocka_unit_test(what_nobody_wants_is_given_out_evenly),
        cmocka_unit_test(parts_always_add_up),
        cmocka_unit_test(greed_takes_nothing_from_the_modest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
