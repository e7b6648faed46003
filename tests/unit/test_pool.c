/* SPDX-License-Identifier: PostgreSQL
 * test_pool - a pool shared by two workers: its limit, its order, its hand-off, and what failures do to it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/pool_customers.h"

/* Longer than the difference in waiting that the hand-off does not care about. */
enum { MUCH_LONGER_US = 10000 };

static int end(void **state)
{
    (void)state;
    scene_close();
    return 0;
}

static struct customer customers[16];

static struct customer *customer(int number, int side, enum want want, struct profile *profile)
{
    customer_init(&customers[number], side, want, profile);
    return &customers[number];
}

static struct customer *taker(int number, int side)
{
    struct customer *made = customer(number, side, WANT_POOLED, scene.plain);

    customer_take(made);
    return made;
}

/* Has a server of its own in hand. */
static struct customer *holder(int number, int side)
{
    struct customer *made = taker(number, side);

    scene_until(made->granted == 1);
    return made;
}

static void sleep_us(uint64_t us)
{
    for (uint64_t since_us = clock_now_us(); clock_now_us() < since_us + us;)
        scene_turn();
}

static void a_server_is_opened_once_and_used_again(void **state)
{
    struct customer *a;

    (void)state;
    scene_open(5);
    a = holder(0, 0);
    assert_int_equal(a->server->backend_pid, 1);
    assert_int_equal(a->server->status, 'I');
    assert_true(atomic_load(&scene.plain->welcome)->length > 0);
    for (int i = 0; i < 3; i++) {
        customer_give(a);
        assert_int_equal(atomic_load(&a->side->shard->parked), 1);
        customer_take(a);
        assert_non_null(a->server); /* at once */
        assert_int_equal(atomic_load(&a->side->shard->parked), 0);
    }
    assert_int_equal(scene.fake.accepted, 1);
    assert_int_equal(atomic_load(&scene.pool->open), 1);
}

static void waiters_are_served_in_their_order(void **state)
{
    struct customer *first;

    (void)state;
    scene_open(1);
    first = holder(0, 0);
    for (int i = 1; i < 6; i++)
        taker(i, 0);
    assert_int_equal(atomic_load(&scene.pool->waiting), 5);
    customer_give(first);
    for (int i = 1; i < 6; i++) {
        assert_int_equal(customers[i].order, i + 1);
        customer_give(&customers[i]);
    }
    assert_int_equal(scene.fake.accepted, 1);
    assert_int_equal(atomic_load(&scene.pool->waiting), 0);
}

static void nobody_overtakes_who_waits_already(void **state)
{
    struct customer *first, *waiting, *late;

    (void)state;
    scene_open(2);
    first = holder(0, 0);
    holder(1, 1);
    waiting = customer(2, 0, WANT_POOLED, scene.other);
    customer_take(waiting);
    customer_give(first); /* does not fit, but its slot does */
    late = taker(3, 0);
    assert_null(late->server);
    scene_until(waiting->granted == 1);
    assert_int_equal(late->granted, 0);
    customer_close(waiting);
    scene_until(late->granted == 1);
}

enum { CROWD = 10, ROUNDS = 40, CROWD_LIMIT = 3 };

/* Some of those who have a server give it back and queue again; returns how many did. */
static int crowd_turn(void)
{
    static unsigned chance = 7;
    int done = 0;

    for (int i = 0; i < CROWD; i++) {
        chance = chance * 1103515245 + 12345;
        if (customers[i].server == NULL || (chance >> 16) % 3 == 0)
            continue;
        assert_ptr_equal(customers[i].server->profile, customers[i].waiter.profile);
        customer_give(&customers[i]);
        done++;
        if (customers[i].granted < ROUNDS)
            customer_take(&customers[i]);
    }
    assert_in_range(atomic_load(&scene.pool->open), 0, CROWD_LIMIT);
    assert_in_range(scene.fake.open, 0, CROWD_LIMIT);
    return done;
}

static void two_workers_never_exceed_the_limit_and_serve_everybody(void **state)
{
    int done = 0;

    (void)state;
    scene_open(CROWD_LIMIT);
    for (int i = 0; i < CROWD; i++)
        customer_take(customer(i, i % 2, WANT_POOLED, i < 7 ? scene.plain : scene.other));
    scene_until((done += crowd_turn()) == CROWD * ROUNDS);
    for (int i = 0; i < CROWD; i++)
        assert_int_equal(customers[i].granted, ROUNDS);
    assert_int_equal(scene.fake.peak, CROWD_LIMIT);
    assert_int_equal(atomic_load(&scene.pool->waiting), 0);
}

static void a_freed_server_goes_to_the_oldest_waiter_of_the_other_worker(void **state)
{
    struct customer *first, *there, *here;

    (void)state;
    scene_open(1);
    first = holder(0, 0);
    there = taker(1, 1);
    sleep_us(MUCH_LONGER_US);
    here = taker(2, 0);
    customer_give(first);
    scene_until(there->granted == 1);
    assert_int_equal(here->granted, 0);
    assert_int_equal(atomic_load(&scene.pool->handoffs), 1);
    customer_give(there);
    scene_until(here->granted == 1);
    assert_int_equal(atomic_load(&scene.pool->handoffs), 2);
    assert_int_equal(here->server->backend_pid, 1);
    assert_int_equal(scene.fake.accepted, 1);
}

static void a_parked_server_of_another_worker_is_asked_for(void **state)
{
    struct customer *there;

    (void)state;
    scene_open(1);
    customer_give(holder(0, 0));
    there = taker(1, 1);
    scene_until(there->granted == 1);
    assert_int_equal(scene.fake.accepted, 1);
    assert_int_equal(atomic_load(&scene.sides[0].shard->parked), 0);
    assert_int_equal(atomic_load(&scene.sides[1].shard->active), 1);
}

static void a_closed_server_makes_room_on_the_other_worker(void **state)
{
    struct customer *first, *there;

    (void)state;
    scene_open(1);
    first = holder(0, 0);
    there = taker(1, 1);
    scene_a_while();
    assert_int_equal(there->granted, 0);
    customer_close(first);
    scene_until(there->granted == 1);
    assert_int_equal(there->server->backend_pid, 2);
    assert_int_equal(scene.fake.peak, 1);
}

static void a_waiter_of_another_profile_evicts(void **state)
{
    struct customer *here, *there;

    (void)state;
    scene_open(1);
    customer_give(holder(0, 0));
    here = customer(1, 0, WANT_POOLED, scene.other);
    customer_take(here);
    scene_until(here->granted == 1);
    assert_ptr_equal(here->server->profile, scene.other);
    assert_int_equal(scene.fake.accepted, 2);
    assert_int_equal(scene.fake.peak, 1);
    customer_give(here);
    there = taker(2, 1); /* plain again, and on the other worker */
    scene_until(there->granted == 1);
    assert_ptr_equal(there->server->profile, scene.plain);
    assert_int_equal(scene.fake.accepted, 3);
    assert_int_equal(scene.fake.peak, 1);
    assert_int_equal(atomic_load(&scene.pool->open), 1);
}

static void a_server_of_its_own_is_always_a_new_one(void **state)
{
    struct customer *fresh, *apart;

    (void)state;
    scene_open(2);
    customer_give(holder(0, 0));
    fresh = customer(1, 0, WANT_FRESH, scene.plain);
    customer_take(fresh);
    scene_until(fresh->granted == 1);
    assert_true(fresh->server->dedicated && fresh->server->counted);
    assert_int_equal(fresh->server->backend_pid, 2);
    apart = customer(2, 0, WANT_FRESH, scene.plain);
    apart->waiter.uncounted = true;
    customer_take(apart);
    scene_until(apart->granted == 1);
    assert_int_equal(apart->server->backend_pid, 3);
    assert_int_equal(atomic_load(&scene.pool->open), 2);
    assert_int_equal(atomic_load(&scene.pool->uncounted), 1);
    customer_close(apart);
    customer_close(fresh);
    assert_int_equal(atomic_load(&scene.pool->open), 1);
    assert_int_equal(atomic_load(&scene.pool->uncounted), 0);
}

static void leaving_while_a_server_of_its_own_connects_closes_that(void **state)
{
    (void)state;
    scene_open(1);
    scene.fake.holds = true;
    for (int i = 0; i < 2; i++) {
        struct customer *leaver = customer(i, 0, WANT_FRESH, scene.plain);

        leaver->waiter.uncounted = i == 1;
        customer_take(leaver);
        scene_until(scene.fake.open == 1);
        assert_int_equal(atomic_load(&scene.pool->open), i == 0);
        assert_int_equal(atomic_load(&scene.pool->uncounted), i == 1);
        pool_leave(leaver->side->shard, &leaver->waiter);
        scene_until(scene.fake.left == i + 1);
        assert_int_equal(leaver->granted + leaver->failed, 0);
        assert_int_equal(atomic_load(&scene.pool->open) + atomic_load(&scene.pool->uncounted), 0);
    }
    assert_int_equal(atomic_load(&scene.pool->waiting), 0);
}

static void leaving_a_queue_leaves_the_server_to_the_next(void **state)
{
    struct customer *leaver, *next;

    (void)state;
    scene_open(1);
    scene.fake.holds = true;
    leaver = taker(0, 0);
    next = taker(1, 0);
    scene_until(scene.fake.open == 1);
    pool_leave(leaver->side->shard, &leaver->waiter);
    scene.fake.holds = false;
    scene_until(next->granted == 1);
    assert_int_equal(leaver->granted, 0);
    assert_int_equal(scene.fake.accepted, 1);
}

static void a_slot_is_given_in_turn_and_counts(void **state)
{
    struct customer *slot, *next;

    (void)state;
    scene_open(1);
    slot = customer(0, 0, WANT_SLOT, scene.plain);
    customer_take(slot);
    assert_int_equal(slot->granted, 1);
    assert_null(slot->server);
    next = taker(1, 1);
    scene_a_while();
    assert_int_equal(next->granted, 0);
    assert_int_equal(scene.fake.accepted, 0);
    atomic_fetch_sub(&scene.pool->open, 1);
    pool_slot_free(slot->side->shard);
    scene_until(next->granted == 1);
}

static void an_idle_server_that_says_something_is_closed(void **state)
{
    struct customer *next;

    (void)state;
    scene_open(1);
    customer_give(holder(0, 0));
    assert_int_equal(send(scene.fake.peers[0].fd, "E\0\0\0\5", 6, MSG_NOSIGNAL), 6);
    scene_until(scene.fake.left == 1);
    assert_int_equal(atomic_load(&scene.pool->open), 0);
    assert_int_equal(atomic_load(&scene.sides[0].shard->parked), 0);
    customer_give(holder(1, 0));
    fake_hang_up(&scene.fake, &scene.fake.peers[0]);
    scene_until(atomic_load(&scene.pool->open) == 0);
    next = holder(2, 1);
    assert_int_equal(next->server->backend_pid, 3);
}

#define with_scene(test) cmocka_unit_test_teardown(test, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_scene(a_server_is_opened_once_and_used_again),
        with_scene(waiters_are_served_in_their_order),
        with_scene(nobody_overtakes_who_waits_already),
        with_scene(two_workers_never_exceed_the_limit_and_serve_everybody),
        with_scene(a_freed_server_goes_to_the_oldest_waiter_of_the_other_worker),
        with_scene(a_parked_server_of_another_worker_is_asked_for),
        with_scene(a_closed_server_makes_room_on_the_other_worker),
        with_scene(a_waiter_of_another_profile_evicts),
        with_scene(a_server_of_its_own_is_always_a_new_one),
        with_scene(leaving_while_a_server_of_its_own_connects_closes_that),
        with_scene(leaving_a_queue_leaves_the_server_to_the_next),
        with_scene(a_slot_is_given_in_turn_and_counts),
        with_scene(an_idle_server_that_says_something_is_closed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
