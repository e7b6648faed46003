/* SPDX-License-Identifier: PostgreSQL
 * test_pool_troubles - what a pool does when PostgreSQL says no, says nothing, or time goes by. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "gateway/base/log.h"
#include "tests/unit/pool_customers.h"

static struct customer customers[4];

static int end(void **state)
{
    (void)state;
    scene_close();
    return 0;
}

static struct customer *taker(int number, int side)
{
    customer_init(&customers[number], side, WANT_POOLED, scene.plain);
    customer_take(&customers[number]);
    return &customers[number];
}

static struct pool_options *options(void)
{
    return &atomic_load(&scene.pool->limits)->options;
}

/* What the workers do ten times a second, as if it were so much later. */
static void sweep_later(uint64_t later_us)
{
    for (int i = 0; i < 2; i++)
        pool_sweep(&scene.sides[i].thread, clock_now_us() + later_us);
}

static void a_refusal_is_told_to_everybody_it_concerns(void **state)
{
    (void)state;
    scene_open(1);
    scene.fake.refuses = "28P01";
    taker(0, 0);
    taker(1, 0);
    customer_init(&customers[2], 0, WANT_POOLED, scene.other);
    customer_take(&customers[2]);
    scene_until(customers[0].failed == 1);
    assert_int_equal(customers[1].failed, 1);
    assert_string_equal(customers[1].sqlstate, "28P01");
    assert_true(customers[1].message_bytes > 0);
    assert_int_equal(customers[2].failed, 0); /* other parameters may be taken */
    scene.fake.refuses = NULL;
    scene_until((sweep_later(0), customers[2].granted == 1));
}

static void too_many_clients_is_never_told_but_tried_again(void **state)
{
    struct customer *customer;

    (void)state;
    scene_open(1);
    scene.fake.refuses = "53300";
    customer = taker(0, 0);
    scene_until((sweep_later(0), scene.fake.accepted == 3));
    assert_int_equal(customer->failed, 0);
    scene.fake.refuses = NULL;
    scene_until((sweep_later(0), customer->granted == 1));
    assert_int_equal(atomic_load(&scene.pool->open), 1);
}

static void after_a_failure_the_next_try_waits(void **state)
{
    (void)state;
    scene_open(5);
    options()->server_login_retry_us = 60000000;
    scene.fake.refuses = "57P03";
    taker(0, 0);
    scene_until(scene.fake.left == 1);
    scene_a_while();
    taker(1, 1);
    for (int i = 0; i < 10; i++)
        sweep_later(0);
    scene_a_while();
    assert_int_equal(scene.fake.accepted, 1);
    assert_int_equal(customers[0].failed + customers[1].failed, 0);
    assert_int_equal(atomic_load(&scene.pool->waiting), 2);
    pool_leave(scene.sides[0].shard, &customers[0].waiter);
    pool_leave(scene.sides[1].shard, &customers[1].waiter);
}

static void a_server_that_hangs_up_is_tried_again(void **state)
{
    struct customer *customer;

    (void)state;
    scene_open(1);
    scene.fake.refuses = "";
    customer = taker(0, 0);
    scene_until(atomic_load(&scene.pool->retry_at_us) > 0);
    assert_int_equal(customer->failed, 0);
    assert_int_equal(atomic_load(&scene.pool->open), 0);
    scene.fake.refuses = NULL;
    scene_until((sweep_later(0), customer->granted == 1));
}

static void a_login_that_hangs_is_given_up(void **state)
{
    struct customer *customer;

    (void)state;
    scene_open(1);
    scene.fake.holds = true;
    customer = taker(0, 0);
    scene_until(scene.fake.open == 1);
    pool_sweep(&scene.sides[0].thread, clock_now_us() + options()->server_connect_timeout_us / 2);
    assert_int_equal(atomic_load(&scene.pool->open), 1);
    pool_sweep(&scene.sides[0].thread, clock_now_us() + options()->server_connect_timeout_us);
    scene_until(scene.fake.left == 1);
    scene.fake.holds = false;
    scene_until((sweep_later(0), customer->granted == 1));
}

static void who_waits_too_long_is_told_so(void **state)
{
    struct customer *holder, *waiting;

    (void)state;
    scene_open(1);
    options()->query_wait_timeout_us = 1000000;
    holder = taker(0, 0);
    scene_until(holder->granted == 1);
    waiting = taker(1, 1);
    sweep_later(500000);
    assert_int_equal(waiting->failed, 0);
    sweep_later(1000000);
    assert_int_equal(waiting->failed, 1);
    assert_string_equal(waiting->sqlstate, "53300");
    assert_int_equal(waiting->message_bytes, 0);
    assert_int_equal(atomic_load(&scene.pool->waiting), 0);
    customer_give(holder);
    scene_a_while();
    assert_int_equal(waiting->granted, 0);
}

static void idle_servers_go_but_the_minimum_stays(void **state)
{
    (void)state;
    scene_open(3);
    atomic_fetch_add(&scene.pool->clients, 1);
    for (int i = 0; i < 3; i++)
        taker(i, 0);
    scene_until(customers[2].granted == 1);
    for (int i = 0; i < 3; i++)
        customer_give(&customers[i]);
    options()->min_pool_size = 1;
    options()->server_lifetime_us = 0;
    sweep_later(options()->server_idle_timeout_us / 2);
    assert_int_equal(atomic_load(&scene.pool->open), 3);
    sweep_later(options()->server_idle_timeout_us + 1000000);
    assert_int_equal(atomic_load(&scene.pool->open), 1);
    atomic_store(&scene.pool->usual, scene.plain);
    options()->min_pool_size = 2;
    sweep_later(0);
    scene_until(scene.fake.accepted == 4 && atomic_load(&scene.sides[0].shard->parked) == 2);
    atomic_fetch_sub(&scene.pool->clients, 1);
}

static void old_servers_go_when_they_are_free(void **state)
{
    struct customer *holder;

    (void)state;
    scene_open(1);
    options()->server_idle_timeout_us = 0;
    holder = taker(0, 0);
    scene_until(holder->granted == 1);
    sweep_later(2 * options()->server_lifetime_us);
    assert_int_equal(atomic_load(&scene.pool->open), 1);
    customer_give(holder);
    sweep_later(options()->server_lifetime_us / 2);
    assert_int_equal(atomic_load(&scene.pool->open), 1);
    sweep_later(2 * options()->server_lifetime_us);
    assert_int_equal(atomic_load(&scene.pool->open), 0);
}

static void a_pool_that_was_made_smaller_shrinks(void **state)
{
    (void)state;
    scene_open(4);
    for (int i = 0; i < 4; i++)
        taker(i, i % 2);
    scene_until(customers[0].granted + customers[1].granted + customers[2].granted + customers[3].granted ==
                4);
    options()->default_pool_size = 1;
    for (int i = 0; i < 4; i++)
        customer_give(&customers[i]);
    sweep_later(0);
    assert_int_equal(atomic_load(&scene.pool->open), 1);
    scene_until(scene.fake.open == 1);
}

#define with_scene(test) cmocka_unit_test_teardown(test, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_scene(a_refusal_is_told_to_everybody_it_concerns),
        with_scene(too_many_clients_is_never_told_but_tried_again),
        with_scene(after_a_failure_the_next_try_waits),
        with_scene(a_server_that_hangs_up_is_tried_again),
        with_scene(a_login_that_hangs_is_given_up),
        with_scene(who_waits_too_long_is_told_so),
        with_scene(idle_servers_go_but_the_minimum_stays),
        with_scene(old_servers_go_when_they_are_free),
        with_scene(a_pool_that_was_made_smaller_shrinks),
    };

    log_set_level(LOG_ERROR); /* the troubles are announced as warnings */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
