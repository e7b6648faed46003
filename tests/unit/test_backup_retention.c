/* SPDX-License-Identifier: PostgreSQL
 * test_backup_retention - rules keep what they say, bad backups never drive good ones out, and the last
 * verified one stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "backup/options.h"
#include "backup/retention.h"

enum { DAY = 86400, MANY = 2000 };

/* 2026-11-21 12:00:00 UTC, a Saturday. */
static const int64_t now = 1795262400;
static struct retention_item items[MANY];

/* One verified backup a day, the newest an hour ago. */
static size_t daily(size_t days)
{
    for (size_t i = 0; i < days; i++)
        items[i] = (struct retention_item){ .time = now - 3600 - (int64_t)(days - 1 - i) * DAY,
                                            .verified = VERIFY_CONTENT };
    return days;
}

static size_t kept(size_t count)
{
    size_t number = 0;

    for (size_t i = 0; i < count; i++)
        number += items[i].reasons != 0;
    return number;
}

static bool has(const struct retention_item *item, enum retained why)
{
    return (item->reasons & 1u << why) != 0;
}

static void without_rules_everything_stays(void **state)
{
    struct retention none = { 0 };
    size_t count = daily(50);

    (void)state;
    retention_decide(&none, items, count, now);
    assert_int_equal(kept(count), 50);
    assert_true(has(&items[0], RETAINED_FOREVER));
}

static void the_last_n_stay(void **state)
{
    (void)state;
    for (int n = 1; n < 20; n++) {
        struct retention rule = { .given = true, .minimum = 1, .last = n };
        size_t count = daily(15);

        retention_decide(&rule, items, count, now);
        assert_int_equal(kept(count), n < 15 ? n : 15);
        assert_true(items[count - 1].reasons != 0);
    }
}

static void age_is_counted_to_the_second(void **state)
{
    struct retention rule = { .given = true, .minimum = 1, .within = (uint64_t)10 * DAY * 1000000 };
    size_t count = daily(40);

    (void)state;
    items[20].time = now - 10 * DAY;
    items[21].time = now - 10 * DAY + 1;
    for (size_t i = 22; i < 40; i++)
        items[i].time = now - (int64_t)(40 - i);
    retention_decide(&rule, items, count, now);
    assert_int_equal(items[20].reasons, 0);
    assert_true(has(&items[21], RETAINED_WITHIN));
}

static void generations_keep_the_newest_of_each_period(void **state)
{
    struct retention rule = {
        .given = true, .minimum = 1, .daily = 7, .weekly = 4, .monthly = 12, .yearly = 3
    };
    size_t count = daily(1500);
    int by[RETAINED_COUNT] = { 0 };

    (void)state;
    retention_decide(&rule, items, count, now);
    for (size_t i = 0; i < count; i++)
        for (int why = 0; why < RETAINED_COUNT; why++)
            by[why] += has(&items[i], (enum retained)why);
    assert_int_equal(by[RETAINED_DAILY], 7);
    assert_int_equal(by[RETAINED_WEEKLY], 4);
    assert_int_equal(by[RETAINED_MONTHLY], 12);
    assert_int_equal(by[RETAINED_YEARLY], 3);
    /* The newest of a past week is a Sunday's, of a past month its last day's. */
    for (size_t i = 0; i + 8 < count; i++)
        if (has(&items[i], RETAINED_WEEKLY))
            assert_int_equal((items[i].time / DAY + 4) % 7, 0);
    for (size_t i = 0; i + 32 < count; i++)
        if (has(&items[i], RETAINED_MONTHLY))
            assert_true(retention_period(RETAINED_MONTHLY, items[i].time) !=
                        retention_period(RETAINED_MONTHLY, items[i].time + DAY));
}

/* Pruning every day for four years must leave what pruning once at the end leaves. */
static void pruning_each_day_loses_nothing_that_a_rule_would_want_later(void **state)
{
    struct retention rule = { .given = true, .minimum = 1, .last = 3, .daily = 7, .weekly = 5, .monthly = 12,
                              .yearly = 2 };
    static struct retention_item every[MANY];
    int64_t start = now - 1500 * (int64_t)DAY;
    size_t count = 0, wanted = 0;

    (void)state;
    for (int day = 0; day < 1500; day++) {
        struct retention_item item = { .time = start + day * (int64_t)DAY, .verified = VERIFY_CHECKSUM };
        size_t left = 0;

        every[day] = item;
        items[count++] = item;
        retention_decide(&rule, items, count, item.time);
        for (size_t i = 0; i < count; i++)
            if (items[i].reasons != 0)
                items[left++] = items[i];
        count = left;
        assert_true(count <= 3 + 7 + 5 + 12 + 2 + 1);
    }
    retention_decide(&rule, every, 1500, every[1499].time);
    for (size_t i = 0; i < 1500; i++)
        if (every[i].reasons != 0)
            assert_int_equal(every[i].time, items[wanted++].time);
    assert_int_equal(wanted, count);
}

static void damaged_backups_drive_no_good_one_out(void **state)
{
    struct retention rule = { .given = true, .minimum = 1, .last = 3, .daily = 3 };
    size_t count = daily(40);

    (void)state;
    for (size_t i = 10; i < 40; i++) {
        items[i].damaged = true;
        items[i].verified = VERIFY_NONE;
    }
    retention_decide(&rule, items, count, now);
    for (size_t i = 7; i < 10; i++)
        assert_true(has(&items[i], RETAINED_LAST) && has(&items[i], RETAINED_DAILY));
    assert_int_equal(items[6].reasons, 0);
    for (size_t i = 10; i < 40; i++)
        assert_true(has(&items[i], RETAINED_DAMAGED));
    items[39] = (struct retention_item){ .time = items[39].time, .verified = VERIFY_CHECKSUM };
    retention_decide(&rule, items, count, now);
    assert_int_equal(items[38].reasons, 0);
}

static void the_last_verified_one_survives_any_number_of_unverified_ones(void **state)
{
    struct retention rule = { .given = true, .minimum = 1, .last = 2 };
    size_t count = daily(100);

    (void)state;
    for (size_t i = 6; i < 100; i++)
        items[i].verified = VERIFY_NONE;
    items[5].verified = VERIFY_CHECKSUM;
    retention_decide(&rule, items, count, now);
    assert_true(has(&items[5], RETAINED_VERIFIED));
    assert_true(has(&items[4], RETAINED_VERIFIED)); /* the newest with contents compared */
    assert_int_equal(items[3].reasons, 0);
    assert_int_equal(kept(count), 4);
}

static void the_minimum_holds_when_everything_is_old(void **state)
{
    struct retention rule = { .given = true, .minimum = 5, .within = (uint64_t)DAY * 1000000 };
    size_t count = daily(10);

    (void)state;
    retention_decide(&rule, items, count, now + 1000 * (int64_t)DAY);
    assert_int_equal(kept(count), 5);
    assert_true(has(&items[5], RETAINED_MINIMUM) && items[4].reasons == 0);
}

static void a_date_in_the_future_neither_goes_nor_counts(void **state)
{
    struct retention rule = { .given = true, .minimum = 1, .last = 1 };
    size_t count = daily(3);

    (void)state;
    items[2].time = now + 100 * DAY;
    retention_decide(&rule, items, count, now);
    assert_true(has(&items[2], RETAINED_FUTURE) && !has(&items[2], RETAINED_LAST));
    assert_true(has(&items[1], RETAINED_LAST));
}

/* Every combination of up to four rules over every pattern of nine backups. */
static void whatever_the_rules_the_promises_hold(void **state)
{
    (void)state;
    for (int pattern = 0; pattern < 19683; pattern++) {
        int rules = pattern % 81, rest = pattern;
        struct retention rule = { .given = true, .minimum = 1 + rules % 3, .last = rules / 3 % 3,
                                  .daily = rules / 9 % 3, .monthly = rules / 27 % 3 };
        int good = 0, kept_good = 0, newest_verified = -1;

        for (int i = 0; i < 9; i++, rest /= 3) {
            items[i] = (struct retention_item){ .time = now - (9 - i) * (DAY / 2 * (1 + pattern % 29)),
                                                .verified = rest % 3 == 2 ? VERIFY_CHECKSUM : VERIFY_NONE,
                                                .damaged = rest % 3 == 0 };
            good += !items[i].damaged;
            newest_verified = rest % 3 == 2 ? i : newest_verified;
        }
        retention_decide(&rule, items, 9, now);
        for (int i = 0; i < 9; i++)
            kept_good += !items[i].damaged && items[i].reasons != 0;
        assert_true(kept_good >= (good < rule.minimum ? good : rule.minimum));
        assert_true(newest_verified < 0 || items[newest_verified].reasons != 0);
        for (int i = newest_verified + 1; i < 9; i++)
            assert_true(!items[i].damaged || items[i].reasons != 0);
    }
}

static void periods_begin_where_people_say(void **state)
{
    (void)state;
    /* 1970-01-05 was a Monday; days before 1970 count backwards without a double one. */
    assert_int_equal(retention_period(RETAINED_WEEKLY, 4 * DAY - 1), -1);
    assert_int_equal(retention_period(RETAINED_WEEKLY, 4 * DAY), 0);
    assert_int_equal(retention_period(RETAINED_DAILY, -1), -1);
    assert_int_equal(retention_period(RETAINED_MONTHLY, 31 * DAY) - retention_period(RETAINED_MONTHLY, 0), 1);
    assert_int_equal(retention_period(RETAINED_YEARLY, 365 * DAY) - retention_period(RETAINED_YEARLY, 0), 1);
}

static void reasons_are_told_together(void **state)
{
    char text[100];

    (void)state;
    retention_text(1u << RETAINED_LAST | 1u << RETAINED_DAILY, text, sizeof text);
    assert_string_equal(text, "one of the last, the newest of its day");
    retention_text((1u << RETAINED_COUNT) - 1, text, sizeof text);
    assert_int_equal(strlen(text), sizeof text - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_rules_everything_stays),
        cmocka_unit_test(the_last_n_stay),
        cmocka_unit_test(age_is_counted_to_the_second),
        cmocka_unit_test(generations_keep_the_newest_of_each_period),
        cmocka_unit_test(pruning_each_day_loses_nothing_that_a_rule_would_want_later),
        cmocka_unit_test(damaged_backups_drive_no_good_one_out),
        cmocka_unit_test(the_last_verified_one_survives_any_number_of_unverified_ones),
        cmocka_unit_test(the_minimum_holds_when_everything_is_old),
        cmocka_unit_test(a_date_in_the_future_neither_goes_nor_counts),
        cmocka_unit_test(whatever_the_rules_the_promises_hold),
        cmocka_unit_test(periods_begin_where_people_say),
        cmocka_unit_test(reasons_are_told_together),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
