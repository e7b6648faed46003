/* SPDX-License-Identifier: PostgreSQL
 * test_target - which host of an upstream serves a route. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "router/target.h"

enum { SECOND = 1000000, NOBODY = 3 };

static const struct wish primary = {TARGET_PRIMARY, 0}, standby = {TARGET_STANDBY, 0},
                         prefer = {TARGET_PREFER_STANDBY, 0}, any = {TARGET_ANY, 0},
                         near = {TARGET_STANDBY, 5 * SECOND},
                         prefer_near = {TARGET_PREFER_STANDBY, 5 * SECOND};

/* Three hosts in one word: P primary, S standby, L a lagging standby, U unknown, D down, X stale, - no
 * address. */
static size_t chosen(const struct wish *wish, const char *hosts, unsigned turn)
{
    static const enum host_role roles[] = {['P'] = HOST_PRIMARY, ['S'] = HOST_STANDBY, ['L'] = HOST_STANDBY,
                                           ['U'] = HOST_UNKNOWN, ['D'] = HOST_DOWN,    ['X'] = HOST_STALE,
                                           ['-'] = HOST_PRIMARY};
    struct host_view views[NOBODY];

    for (size_t i = 0; i < NOBODY; i++)
        views[i] = (struct host_view){.role = roles[(unsigned char)hosts[i]],
                                      .located = hosts[i] != '-',
                                      .lag_us = hosts[i] == 'L' ? 60 * SECOND : 0};
    return target_choose(wish, views, NOBODY, turn);
}

static void the_wish_and_the_roles_decide(void **state)
{
    static const struct {
        const struct wish *wish;
        const char *hosts;
        size_t host;
    } table[] = {
        {&primary, "SPS", 1},     {&primary, "DSS", NOBODY}, {&primary, "DUS", 1},     {&primary, "XSP", 2},
        {&primary, "XSS", NOBODY}, {&primary, "-SS", NOBODY}, {&primary, "DDU", 2},    {&standby, "PSD", 1},
        {&standby, "PDD", NOBODY}, {&standby, "PDU", 2},     {&standby, "PXD", NOBODY}, {&prefer, "PSD", 1},
        {&prefer, "PDD", 0},      {&prefer, "DDD", NOBODY},  {&any, "DPD", 1},         {&any, "XDS", 2},
        {&near, "PLS", 2},        {&near, "PLD", NOBODY},    {&prefer_near, "PLD", 0}, {&standby, "PLD", 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        assert_int_equal(chosen(table[i].wish, table[i].hosts, 0), table[i].host);
}

static void hosts_of_one_kind_are_tried_in_turn(void **state)
{
    (void)state;
    assert_int_equal(chosen(&primary, "UUU", 0), 0);
    assert_int_equal(chosen(&primary, "UUU", 1), 1);
    assert_int_equal(chosen(&primary, "UUU", 5), 2);
    assert_int_equal(chosen(&standby, "PSS", 2), 2);
}

static void the_standby_with_the_fewest_connections_is_taken(void **state)
{
    struct host_view views[NOBODY] = {{.role = HOST_STANDBY, .located = true, .open = 5},
                                      {.role = HOST_STANDBY, .located = true, .open = 2},
                                      {.role = HOST_PRIMARY, .located = true, .open = 0}};

    (void)state;
    for (unsigned turn = 0; turn < NOBODY; turn++)
        assert_int_equal(target_choose(&standby, views, NOBODY, turn), 1);
    assert_int_equal(target_choose(&any, views, NOBODY, 0), 2);
}

static void one_host_alone_serves_everything(void **state)
{
    struct host_view view = {.role = HOST_STANDBY, .located = true};

    (void)state;
    assert_int_equal(target_choose(&primary, &view, 1, 7), 0);
    view.role = HOST_DOWN;
    assert_int_equal(target_choose(&standby, &view, 1, 0), 0);
    view.located = false;
    assert_int_equal(target_choose(&any, &view, 1, 0), 1);
}

static void a_connection_is_kept_as_long_as_its_host_fits(void **state)
{
    (void)state;
    assert_true(target_allows(&primary, HOST_PRIMARY, 0, true));
    assert_true(target_allows(&primary, HOST_DOWN, 0, true));
    assert_false(target_allows(&primary, HOST_STANDBY, 0, true));
    assert_false(target_allows(&primary, HOST_STALE, 0, true));
    assert_false(target_allows(&any, HOST_STALE, 0, true));
    assert_false(target_allows(&standby, HOST_PRIMARY, 0, false));
    assert_true(target_allows(&prefer, HOST_PRIMARY, 0, false));
    assert_false(target_allows(&prefer, HOST_PRIMARY, 0, true));
    assert_true(target_allows(&near, HOST_STANDBY, SECOND, true));
    assert_false(target_allows(&near, HOST_STANDBY, 6 * SECOND, true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_wish_and_the_roles_decide),
        cmocka_unit_test(hosts_of_one_kind_are_tried_in_turn),
        cmocka_unit_test(the_standby_with_the_fewest_connections_is_taken),
        cmocka_unit_test(one_host_alone_serves_everything),
        cmocka_unit_test(a_connection_is_kept_as_long_as_its_host_fits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
