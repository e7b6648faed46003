/* SPDX-License-Identifier: PostgreSQL
 * test_first_pins - an application is named once for a reason, and the list of those named is bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/table.h"
#include "gateway/first_pins.h"

static struct first_pins pins;

static void only_the_first_time_is_new(void **state)
{
    (void)state;
    memset(&pins, 0, sizeof pins);
    assert_int_equal(first_pins_add(&pins, 0), FIRST_PIN_NEW);
    assert_int_equal(first_pins_add(&pins, 0), FIRST_PIN_KNOWN);
    assert_int_equal(first_pins_add(&pins, 7), FIRST_PIN_NEW);
    assert_int_equal(first_pins_add(&pins, 7 + FIRST_PINS_SLOTS), FIRST_PIN_NEW);
    assert_int_equal(first_pins_add(&pins, 7), FIRST_PIN_KNOWN);
    assert_int_equal(first_pins_add(&pins, 7 + FIRST_PINS_SLOTS), FIRST_PIN_KNOWN);
    assert_int_equal(first_pins_add(&pins, UINT64_MAX), FIRST_PIN_NEW);
    assert_int_equal(first_pins_add(&pins, UINT64_MAX), FIRST_PIN_KNOWN);
}

static void when_it_is_full_that_is_said_once(void **state)
{
    uint64_t number = 0;

    (void)state;
    memset(&pins, 0, sizeof pins);
    for (; number < FIRST_PINS_MAX; number++)
        assert_int_equal(first_pins_add(&pins, table_hash(&number, sizeof number, 0)), FIRST_PIN_NEW);
    assert_int_equal(first_pins_add(&pins, table_hash(&number, sizeof number, 0)), FIRST_PIN_LAST);
    for (; number < 3 * FIRST_PINS_MAX; number++)
        assert_int_equal(first_pins_add(&pins, table_hash(&number, sizeof number, 0)), FIRST_PIN_UNTOLD);
    for (number = 0; number < FIRST_PINS_MAX; number++)
        assert_int_equal(first_pins_add(&pins, table_hash(&number, sizeof number, 0)), FIRST_PIN_KNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_first_time_is_new),
        cmocka_unit_test(when_it_is_full_that_is_said_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
