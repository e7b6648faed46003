/* SPDX-License-Identifier: PostgreSQL
 * test_budget_priority - among those who wait for a connection a priority is worth its seconds of waiting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/gateway.h"
#include "router/budget_news.h"

enum { SECOND_US = 1000000 };

static struct budgets budgets;
static struct budget *budget;
static struct budget_claim plain, urgent;
static struct budget_slot only;

static void claim(struct budget_claim *one, const char *route, uint64_t credit_us)
{
    const char *const names[PARTIES] = {route, "app", "ann"};

    assert_true(budget_claim_open(one, budget, SHARE_POOLED, names));
    atomic_store(&one->credit_us, credit_us);
}

static bool take(struct budget_claim *one, uint64_t now_us)
{
    static const int limits[PARTIES] = {0};

    return budget_take(one, limits, now_us, &only);
}

/* One connection for all, and it is taken. */
static int open_ledger(void **state)
{
    const struct host_facts facts = {
        .max_connections = 4, .superuser_reserved = 3, .max_wal_senders = 2, .asked_us = SECOND_US};
    struct budget_demand demands[BUDGET_GATEWAYS_MAX] = {{1, 5}};
    const struct budget_count counted = {.facts = &facts, .gateways = demands, .gateway_count = 1, .self = 1};
    struct budget_claim first = {.budget = NULL};

    (void)state;
    budgets_open(&budgets);
    budget = budgets_get(&budgets, "db.example", 5432);
    assert_non_null(budget);
    budget_recount(budget, &counted);
    claim(&first, "first", 0);
    claim(&plain, "plain", 0);
    claim(&urgent, "urgent", 5 * SECOND_US);
    assert_true(take(&first, 2 * SECOND_US));
    budget_claim_close(&first);
    return 0;
}

static int close_ledger(void **state)
{
    (void)state;
    budget_give(&only);
    budget_claim_close(&plain);
    budget_claim_close(&urgent);
    budgets_close(&budgets);
    return 0;
}

static void who_has_priority_goes_before_who_has_waited_for_less(void **state)
{
    (void)state;
    assert_false(take(&plain, 10 * SECOND_US));
    assert_false(take(&urgent, 14 * SECOND_US));
    budget_give(&only);
    assert_false(take(&plain, 14 * SECOND_US + 1000));
    assert_int_equal(atomic_load(&plain.denial), DENIAL_AGE);
    assert_true(take(&urgent, 14 * SECOND_US + 2000));
}

static void who_has_waited_for_longer_than_that_is_not_passed_over(void **state)
{
    (void)state;
    assert_false(take(&plain, 10 * SECOND_US));
    assert_false(take(&plain, 15 * SECOND_US));
    assert_false(take(&urgent, 16 * SECOND_US));
    budget_give(&only);
    assert_false(take(&urgent, 16 * SECOND_US + 1000));
    assert_int_equal(atomic_load(&urgent.denial), DENIAL_AGE);
    assert_true(take(&plain, 16 * SECOND_US + 2000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_has_priority_goes_before_who_has_waited_for_less, open_ledger,
                                        close_ledger),
        cmocka_unit_test_setup_teardown(who_has_waited_for_longer_than_that_is_not_passed_over, open_ledger,
                                        close_ledger),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
