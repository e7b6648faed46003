/* SPDX-License-Identifier: PostgreSQL
 * test_penalty - failures from one address cost more each time, and nothing is held against anybody for
 * ever. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/auth/penalty.h"
#include "gateway/net/address.h"

static struct penalties *penalties;

static int start(void **state)
{
    (void)state;
    penalties = penalties_new();
    return penalties == NULL;
}

static int stop(void **state)
{
    (void)state;
    penalties_free(penalties);
    return 0;
}

static struct address at(uint32_t host, int port)
{
    struct address address;
    char text[INET_ADDRSTRLEN];
    struct in_addr in = {.s_addr = htonl(host)};

    assert_non_null(inet_ntop(AF_INET, &in, text, sizeof text));
    assert_true(address_numeric(text, port, &address));
    return address;
}

static void each_failure_waits_twice_as_long_up_to_ten_times(void **state)
{
    struct address here = at(0x7f000001, 1);
    static const uint64_t expected[] = {100, 200, 400, 800, 1000, 1000};

    (void)state;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_int_equal(penalty_add(penalties, &here, 100, 1000 + i), expected[i]);
    for (int i = 0; i < 100; i++)
        assert_int_equal(penalty_add(penalties, &here, 60000000, 2000), 600000000);
}

static void ports_are_one_address_and_addresses_are_apart(void **state)
{
    struct address one = at(0x7f000001, 1), same = at(0x7f000001, 2), other = at(0x7f000002, 1);

    (void)state;
    assert_int_equal(penalty_add(penalties, &one, 100, 1), 100);
    assert_int_equal(penalty_add(penalties, &same, 100, 2), 200);
    assert_int_equal(penalty_add(penalties, &other, 100, 3), 100);
}

static void a_success_and_ten_quiet_minutes_forgive(void **state)
{
    struct address here = at(0x7f000001, 1);
    uint64_t later = 5 + 601 * UINT64_C(1000000);

    (void)state;
    assert_int_equal(penalty_add(penalties, &here, 100, 1), 100);
    penalty_forget(penalties, &here);
    assert_int_equal(penalty_add(penalties, &here, 100, 2), 100);
    assert_int_equal(penalty_add(penalties, &here, 100, 3), 200);
    assert_int_equal(penalty_add(penalties, &here, 100, later), 100);
}

static void the_address_that_failed_longest_ago_makes_room(void **state)
{
    struct address first = at(0x0a000000, 1);

    (void)state;
    for (uint32_t i = 0; i < PENALTIES_MAX; i++) {
        struct address here = at(0x0a000000 + i, 1);

        assert_int_equal(penalty_add(penalties, &here, 100, i + 1), 100);
    }
    assert_int_equal(penalty_add(penalties, &first, 100, PENALTIES_MAX + 1), 200);
    for (uint32_t i = 0; i < 2; i++) {
        struct address here = at(0x0b000000 + i, 1);

        assert_int_equal(penalty_add(penalties, &here, 100, PENALTIES_MAX + 2 + i), 100);
    }
    assert_int_equal(penalty_add(penalties, &first, 100, PENALTIES_MAX + 9), 400);
    first = at(0x0a000001, 1);
    assert_int_equal(penalty_add(penalties, &first, 100, PENALTIES_MAX + 10), 100);
}

#define with_penalties(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_penalties(each_failure_waits_twice_as_long_up_to_ten_times),
        with_penalties(ports_are_one_address_and_addresses_are_apart),
        with_penalties(a_success_and_ten_quiet_minutes_forgive),
        with_penalties(the_address_that_failed_longest_ago_makes_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
