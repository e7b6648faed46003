/* SPDX-License-Identifier: PostgreSQL
 * test_throttle - a bucket lets through what its rate says, and an adaptive pace yields, recovers and never
 * stops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "router/throttle.h"

enum { MB = 1048576, SECOND_US = 1000000 };

/* Moves as much as there is room for, at most `chunk` at once, every tick_us; returns the bytes. */
static int64_t moved_in(struct throttle *throttle, uint64_t from_us, uint64_t until_us, uint64_t tick_us,
                        int64_t chunk)
{
    int64_t moved = 0;

    for (uint64_t now_us = from_us; now_us < until_us; now_us += tick_us) {
        if (throttle_room(throttle, now_us) == 0)
            continue;
        throttle_take(throttle, chunk);
        moved += chunk;
    }
    return moved;
}

static void assert_near(int64_t found, int64_t expected)
{
    assert_in_range(found, expected - expected / 20, expected + expected / 20);
}

static void without_a_rate_everything_passes(void **state)
{
    struct throttle throttle = {0};

    (void)state;
    assert_true(throttle_room(&throttle, 5) == INT64_MAX);
    throttle_take(&throttle, 10 * MB);
    assert_true(throttle_room(&throttle, 6) == INT64_MAX);
    assert_int_equal(throttle.bytes, 10 * MB);
}

static void the_rate_holds_whatever_the_chunks_and_the_ticks(void **state)
{
    static const int64_t rates[] = {1024, 100000, 10 * MB, 900 * (int64_t)MB};

    (void)state;
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        for (uint64_t tick_us = 100; tick_us <= 20000; tick_us *= 200) {
            struct throttle throttle = {0};
            int64_t chunk = rates[i] / 40 > 100 ? rates[i] / 40 : 100;

            throttle_set(&throttle, rates[i], SECOND_US);
            assert_near(moved_in(&throttle, SECOND_US, 31u * SECOND_US, tick_us, chunk), rates[i] * 30);
        }
    }
}

static void what_was_moved_beyond_the_room_is_paid_for_by_waiting(void **state)
{
    struct throttle throttle = {0};

    (void)state;
    throttle_set(&throttle, MB, SECOND_US);
    throttle_take(&throttle, 3 * MB);
    assert_int_equal(throttle_room(&throttle, 3 * SECOND_US), 0);
    assert_int_equal(throttle_room(&throttle, 4 * SECOND_US), 0);
    assert_true(throttle_room(&throttle, 4 * SECOND_US + 1000) > 0);
}

static void a_pause_saves_up_no_more_than_a_moment(void **state)
{
    struct throttle throttle = {0};

    (void)state;
    throttle_set(&throttle, 10 * MB, SECOND_US);
    assert_int_equal(throttle_room(&throttle, 100u * SECOND_US), 10 * MB / 20);
    throttle_take(&throttle, -MB);
    throttle_take(&throttle, MB);
    assert_int_equal(throttle_room(&throttle, 100u * SECOND_US), 10 * MB / 20);
}

static void a_rate_may_change_and_go(void **state)
{
    struct throttle throttle = {0};

    (void)state;
    throttle_set(&throttle, MB, SECOND_US);
    throttle_take(&throttle, MB);
    throttle_set(&throttle, 0, SECOND_US);
    assert_true(throttle_room(&throttle, SECOND_US) == INT64_MAX);
    throttle_set(&throttle, 2 * MB, 9 * SECOND_US);
    assert_near(moved_in(&throttle, 9 * SECOND_US, 19 * SECOND_US, 1000, 10000), 20 * MB);
}

static void bulk_yields_while_others_wait_and_keeps_its_least(void **state)
{
    struct pace pace = {0};
    int64_t rate = pace_adapt(&pace, true, 100 * MB, MB);

    (void)state;
    assert_near(rate, 70 * MB);
    for (int i = 0; i < 50; i++)
        rate = pace_adapt(&pace, true, rate, MB);
    assert_int_equal(rate, MB);
    assert_int_equal(pace_adapt(&pace, true, 0, MB), MB);
}

static void it_takes_everything_again_when_nobody_waits(void **state)
{
    struct pace pace = {.rate = MB};
    int64_t last = MB, rate;
    int intervals = 0;

    (void)state;
    for (; (rate = pace_adapt(&pace, false, last, MB)) != 0; intervals++) {
        assert_true(rate > last);
        last = rate;
    }
    assert_in_range(intervals, 10, 100);
    assert_int_equal(pace_adapt(&pace, false, 0, MB), 0);
}

static void where_nothing_moves_nothing_is_limited(void **state)
{
    struct pace pace = {0};

    (void)state;
    assert_int_equal(pace_adapt(&pace, true, 0, MB), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_rate_everything_passes),
        cmocka_unit_test(the_rate_holds_whatever_the_chunks_and_the_ticks),
        cmocka_unit_test(what_was_moved_beyond_the_room_is_paid_for_by_waiting),
        cmocka_unit_test(a_pause_saves_up_no_more_than_a_moment),
        cmocka_unit_test(a_rate_may_change_and_go),
        cmocka_unit_test(bulk_yields_while_others_wait_and_keeps_its_least),
        cmocka_unit_test(it_takes_everything_again_when_nobody_waits),
        cmocka_unit_test(where_nothing_moves_nothing_is_limited),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
