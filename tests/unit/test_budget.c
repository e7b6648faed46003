/* SPDX-License-Identifier: PostgreSQL
 * test_budget - the ledger: slots, the order of those who wait, limits, refusals, what PostgreSQL counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "router/budget_news.h"
#include "router/budgets.h"
#include "router/facts.h"

enum { START_US = 1000000, LATER_US = 100000 };

static struct budgets budgets;
static struct budget *budget;
static struct budget_claim first, second;
static uint64_t now_us;
static int woken;

static void on_wake(struct budgets *all)
{
    (void)all;
    woken++;
}

static void claim(struct budget_claim *one, enum share share, const char *database, const char *user)
{
    const char *const names[PARTIES] = {"route", database, user};

    assert_true(budget_claim_open(one, budget, share, names));
}

static bool take_limited(struct budget_claim *one, int database, struct budget_slot *slot)
{
    const int limits[PARTIES] = {0, database, 0};

    now_us += LATER_US;
    return budget_take(one, limits, now_us, slot);
}

static bool take(struct budget_claim *one, struct budget_slot *slot)
{
    return take_limited(one, 0, slot);
}

/* PostgreSQL has `most` connections, three of them for superusers; `backends` are there. */
static void count_with(int most, const struct budget_backend *backends, size_t backend_count,
                       const struct budget_limit *limits, size_t limit_count)
{
    const struct host_facts facts = {
        .max_connections = most, .superuser_reserved = 3, .max_wal_senders = 2, .asked_us = now_us + 1};
    struct budget_demand demands[BUDGET_GATEWAYS_MAX] = {{1, 5}};
    const struct budget_count counted = {&facts, backends, backend_count, limits, limit_count, demands, 1,
                                         1,      0};

    now_us += 2;
    budget_recount(budget, &counted);
}

static void count(int most)
{
    count_with(most, NULL, 0, NULL, 0);
}

static int open_ledger(void **state)
{
    (void)state;
    now_us = START_US;
    woken = 0;
    budgets_open(&budgets);
    budgets.wake = on_wake;
    budget = budgets_get(&budgets, "db.example", 5432);
    assert_non_null(budget);
    claim(&first, SHARE_POOLED, "app", "ann");
    claim(&second, SHARE_POOLED, "app", "bob");
    return 0;
}

static int close_ledger(void **state)
{
    (void)state;
    budget_claim_close(&first);
    budget_claim_close(&second);
    budgets_close(&budgets);
    return 0;
}

static void one_place_has_one_ledger(void **state)
{
    (void)state;
    assert_ptr_equal(budgets_get(&budgets, "db.example", 5432), budget);
    assert_ptr_not_equal(budgets_get(&budgets, "db.example", 5433), budget);
}

static void slots_are_taken_until_there_are_none(void **state)
{
    struct budget_slot slots[3] = {0};

    (void)state;
    count(5);
    assert_true(take(&first, &slots[0]));
    assert_true(take(&second, &slots[1]));
    assert_false(take(&first, &slots[2]));
    assert_int_equal(atomic_load(&first.denial), DENIAL_ROOM);
    assert_int_equal(budget_used(budget), 2);
    budget_give(&slots[0]);
    assert_int_equal(woken, 1);
    assert_true(take(&first, &slots[2]));
    budget_give(&slots[1]);
    budget_give(&slots[2]);
    budget_give(&slots[2]); /* nothing to do */
    assert_int_equal(budget_used(budget), 0);
}

static void who_waits_longest_is_first(void **state)
{
    struct budget_slot slot = {0}, other = {0};

    (void)state;
    for (int limit = 0; limit <= 1; limit++) { /* short of PostgreSQL's connections; of the database's */
        count(limit == 0 ? 4 : 9);
        assert_true(take_limited(&first, limit, &slot));
        assert_false(take_limited(&second, limit, &other));
        assert_false(take_limited(&first, limit, &other));
        budget_give(&slot);
        assert_false(take_limited(&first, limit, &slot));
        assert_int_equal(atomic_load(&first.denial), DENIAL_AGE);
        assert_true(take_limited(&second, limit, &slot));
        budget_give(&slot);
        assert_true(take_limited(&first, limit, &slot));
        budget_give(&slot);
    }
}

static void a_claim_that_nobody_renews_is_forgotten(void **state)
{
    struct budget_slot slot = {0}, other = {0};

    (void)state;
    count(4);
    assert_true(take(&first, &slot));
    assert_false(take(&second, &other));
    budget_give(&slot);
    now_us += 3000000;
    assert_true(take(&first, &slot));
    assert_false(atomic_load(&second.queued));
    budget_give(&slot);
}

static void a_withdrawn_claim_makes_way(void **state)
{
    struct budget_slot slot = {0};

    (void)state;
    count(4);
    assert_true(take(&first, &slot));
    assert_false(take(&second, &slot));
    budget_give(&slot);
    budget_claim_withdraw(&second);
    assert_true(take(&first, &slot));
    budget_give(&slot);
}

static void pools_leave_the_floors_of_the_others(void **state)
{
    const int wanted[] = {1, 3, 1};
    struct budget_slot slots[8] = {0};
    struct budget_claim dump;
    int taken = 0;

    (void)state;
    budget_configure(budget, wanted, 0);
    count(10);
    claim(&dump, SHARE_DIRECT, "app", "ann");
    while (take(&first, &slots[taken]))
        taken++;
    assert_int_equal(taken, 3);
    while (take(&dump, &slots[taken]))
        taken++;
    assert_int_equal(taken, 6);
    while (taken > 0)
        budget_give(&slots[--taken]);
    budget_claim_close(&dump);
}

static void one_that_is_over_its_limit_holds_nobody_up(void **state)
{
    struct budget_claim third;
    struct budget_slot slots[3] = {0};

    (void)state;
    count(5);
    claim(&third, SHARE_POOLED, "other", "ann");
    assert_true(take_limited(&first, 1, &slots[0]));
    assert_false(take_limited(&second, 1, &slots[1]));
    assert_int_equal(atomic_load(&second.denial), DENIAL_PARTY);
    assert_int_equal(atomic_load(&second.short_of), PARTY_DATABASE);
    assert_true(take(&third, &slots[2]));
    budget_give(&slots[0]);
    assert_true(take_limited(&second, 1, &slots[1]));
    budget_give(&slots[1]);
    budget_give(&slots[2]);
    budget_claim_close(&third);
}

static void foreign_backends_and_limits_of_postgresql_count(void **state)
{
    const struct budget_backend backends[] = {{100, false, "app", "bob"}, {101, false, "x", "eve"},
                                              {102, true, "", "rep"}};
    const struct budget_limit limits[] = {{PARTY_USER, "bob", 2}};
    struct budget_slot slots[3] = {0};
    struct budget_view view;

    (void)state;
    count_with(20, backends, 3, limits, 1);
    budget_look(budget, &view);
    assert_int_equal(view.foreign, 2);
    assert_int_equal(view.capacity, 15);
    assert_int_equal(view.senders, 1);
    assert_true(take(&second, &slots[0]));
    assert_false(take(&second, &slots[1]));
    assert_int_equal(atomic_load(&second.short_of), PARTY_USER);
    assert_true(take(&first, &slots[1]));
    budget_give(&slots[0]);
    budget_give(&slots[1]);
}

static void our_own_backends_are_no_foreign_ones(void **state)
{
    const struct budget_backend backends[] = {{100, false, "app", "ann"}, {101, false, "app", "ann"}};
    struct budget_slot slots[3] = {0};
    struct budget_view view;

    (void)state;
    assert_true(take(&first, &slots[0]));
    assert_true(take(&first, &slots[1]));
    budget_seat(&slots[0], 100);
    count_with(20, backends, 2, NULL, 0); /* the second is logging in: 101 may be its */
    budget_look(budget, &view);
    assert_int_equal(view.foreign, 0);
    budget_pass(&slots[0], &slots[2]);
    assert_int_equal(slots[2].pid, 100);
    budget_give(&slots[0]); /* it is not there any more */
    budget_give(&slots[1]);
    count_with(20, backends, 2, NULL, 0);
    budget_look(budget, &view);
    assert_int_equal(view.foreign, 1);
    budget_give(&slots[2]);
}

static void a_refusal_lowers_the_ceiling_until_postgresql_was_asked_again(void **state)
{
    struct budget_slot slots[3] = {0};
    struct budget_view view;

    (void)state;
    count(20);
    for (int i = 0; i < 3; i++)
        assert_true(take(&first, &slots[i]));
    budget_refused(&slots[2], "InitProcess", now_us);
    assert_true(budget_was_refused(budget));
    assert_false(budget_was_refused(budget));
    budget_give(&slots[2]);
    budget_look(budget, &view);
    assert_int_equal(view.capacity, 2);
    assert_false(take(&first, &slots[2]));
    count(20);
    now_us += 2000000;
    assert_true(take(&first, &slots[2]));
    for (int i = 0; i < 3; i++)
        budget_give(&slots[i]);
}

static void refusals_alone_find_out_how_many_there_are(void **state)
{
    struct budget_slot slots[4] = {0};

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_true(take(&first, &slots[i]));
    budget_refused(&slots[2], "InitProcess", now_us);
    budget_give(&slots[2]);
    now_us += 2000000;
    assert_false(take(&first, &slots[2]));
    budget_tick(budget);
    assert_true(take(&first, &slots[2]));
    assert_false(take(&first, &slots[3]));
    for (int i = 0; i < 3; i++)
        budget_give(&slots[i]);
}

static void a_pooled_servers_answer_is_believed_until_there_is_a_count(void **state)
{
    struct budget_slot slot = {0};
    struct budget_view view;

    (void)state;
    assert_true(take(&first, &slot));
    budget_guess(budget, now_us, 17, 5);
    budget_look(budget, &view);
    assert_true(view.guessed);
    assert_int_equal(view.capacity, 13);
    count(10);
    budget_guess(budget, now_us, 17, 5);
    budget_look(budget, &view);
    assert_int_equal(view.capacity, 7);
    budget_give(&slot);
}

static void a_role_that_postgresql_limits_does_not_stop_others(void **state)
{
    struct budget_slot slots[3] = {0};

    (void)state;
    count(20);
    assert_true(take(&second, &slots[0]));
    assert_true(take(&second, &slots[1]));
    budget_refused(&slots[1], "InitializeSessionUserId", now_us);
    budget_give(&slots[1]);
    assert_false(take(&second, &slots[1]));
    assert_true(take(&first, &slots[2]));
    budget_give(&slots[0]);
    budget_give(&slots[2]);
}

static void what_pools_have_too_much_is_told(void **state)
{
    const struct budget_backend strangers[] = {{100, false, "x", "y"}, {101, false, "x", "y"}};
    const int wanted[] = {1, 1, 0};
    struct budget_slot slots[3] = {0};

    (void)state;
    budget_configure(budget, wanted, 0);
    count(7);
    for (int i = 0; i < 3; i++)
        assert_true(take(&first, &slots[i]));
    for (uint32_t i = 0; i < 3; i++)
        budget_seat(&slots[i], 200 + i);
    assert_int_equal(budget_excess(budget), 0);
    count_with(7, strangers, 2, NULL, 0);
    assert_int_equal(budget_excess(budget), 2);
    for (int i = 0; i < 3; i++)
        budget_give(&slots[i]);
}

static void a_slot_moves_between_shares_and_ledgers(void **state)
{
    struct budget *other = budgets_get(&budgets, "standby.example", 5432);
    struct budget_slot slot = {0};

    (void)state;
    assert_true(take(&first, &slot));
    budget_move(&slot, SHARE_DIRECT);
    assert_int_equal(budget->used[SHARE_POOLED], 0);
    assert_int_equal(budget->used[SHARE_DIRECT], 1);
    budget_follow(&slot, other);
    assert_int_equal(budget_used(budget), 0);
    assert_int_equal(other->used[SHARE_DIRECT], 1);
    budget_give(&slot);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_ledger, close_ledger)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_place_has_one_ledger),
        TEST(slots_are_taken_until_there_are_none),
        TEST(who_waits_longest_is_first),
        TEST(a_claim_that_nobody_renews_is_forgotten),
        TEST(a_withdrawn_claim_makes_way),
        TEST(pools_leave_the_floors_of_the_others),
        TEST(one_that_is_over_its_limit_holds_nobody_up),
        TEST(foreign_backends_and_limits_of_postgresql_count),
        TEST(our_own_backends_are_no_foreign_ones),
        TEST(a_refusal_lowers_the_ceiling_until_postgresql_was_asked_again),
        TEST(refusals_alone_find_out_how_many_there_are),
        TEST(a_pooled_servers_answer_is_believed_until_there_is_a_count),
        TEST(a_role_that_postgresql_limits_does_not_stop_others),
        TEST(what_pools_have_too_much_is_told),
        TEST(a_slot_moves_between_shares_and_ledgers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
