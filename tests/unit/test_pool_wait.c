/* SPDX-License-Identifier: PostgreSQL
 * test_pool_wait - the reserve opens for who has waited for long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "gateway/base/check.h"
#include "router/pool_wait.h"
#include "tests/unit/pool_customers.h"

enum { SECOND_US = 1000000 };

static struct pool_options *options(void)
{
    return &atomic_load(&scene.pool->limits)->options;
}

static void the_reserve_opens_when_the_oldest_waiter_of_any_worker_has_waited(void **state)
{
    (void)state;
    scene_open(2);
    options()->reserve_pool_size = 3;
    options()->reserve_pool_timeout_us = 5 * SECOND_US;
    atomic_store(&scene.pool->open, 2);
    assert_int_equal(pool_size_now(scene.pool, 100 * SECOND_US), 2);
    atomic_store(&scene.sides[1].shard->oldest_us, 10 * SECOND_US);
    assert_int_equal(pool_size_now(scene.pool, 14 * SECOND_US), 2);
    assert_int_equal(pool_size_now(scene.pool, 15 * SECOND_US), 5);
    options()->reserve_pool_timeout_us = 0;
    assert_int_equal(pool_size_now(scene.pool, 15 * SECOND_US), 2);
    options()->reserve_pool_timeout_us = SECOND_US;
    atomic_store(&scene.pool->open, 1);
    assert_int_equal(pool_size_now(scene.pool, 15 * SECOND_US), 2);
    atomic_store(&scene.pool->open, 0);
    atomic_store(&scene.sides[1].shard->oldest_us, UINT64_MAX);
    scene_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reserve_opens_when_the_oldest_waiter_of_any_worker_has_waited),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
