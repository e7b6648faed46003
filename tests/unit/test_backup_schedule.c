/* SPDX-License-Identifier: PostgreSQL
 * test_backup_schedule - cron as people mean it: names, steps, time zones, clocks that change, jump or stood
 * still. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "backup/cron.h"
#include "backup/schedule.h"
#include "backup/zone.h"

/* Berlin's rules, so that no test needs the machine's zone files: 2026-03-29 02:00 and 2026-10-25 03:00. */
static const char berlin[] = "CET-1CEST,M3.5.0,M10.5.0/3";
/* Half an hour of summer time, as on Lord Howe Island. */
static const char howe[] = "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0";

static int64_t at(const char *text)
{
    struct tm utc = { 0 };

    assert_non_null(strptime(text, "%Y-%m-%d %H:%M", &utc));
    return (int64_t)timegm(&utc);
}

static struct cron cron_of(const char *text)
{
    struct cron cron;
    char why[200];

    if (!cron_parse(text, &cron, why, sizeof why))
        fail_msg("\"%s\": %s", text, why);
    return cron;
}

static void next_is(const char *text, const char *zone, const char *after, const char *expected)
{
    struct cron cron = cron_of(text);
    time_t next = (time_t)cron_next(&cron, zone, at(after));
    char found[32];
    struct tm utc;

    strftime(found, sizeof found, "%Y-%m-%d %H:%M", gmtime_r(&next, &utc));
    if (strcmp(found, expected) != 0)
        fail_msg("\"%s\" after %s: expected %s, found %s", text, after, expected, found);
}

static void fields_mean_what_crontab_says(void **state)
{
    (void)state;
    next_is("15 2 * * *", "UTC", "2026-11-21 02:14", "2026-11-21 02:15");
    next_is("15 2 * * *", "UTC", "2026-11-21 02:15", "2026-11-22 02:15");
    next_is("*/15 * * * *", "UTC", "2026-11-21 02:44", "2026-11-21 02:45");
    next_is("10-40/15 3 * * *", "UTC", "2026-11-21 03:10", "2026-11-21 03:25");
    next_is("0 0 29 2 *", "UTC", "2026-03-01 00:00", "2028-02-29 00:00");
    next_is("0 4 * * sun", "UTC", "2026-11-21 12:00", "2026-11-22 04:00");
    next_is("0 4 * * 7", "UTC", "2026-11-21 12:00", "2026-11-22 04:00");
    next_is("0 4 * * Mon-Fri", "UTC", "2026-11-20 12:00", "2026-11-23 04:00");
    next_is("0 0 1 jan,Jul *", "UTC", "2026-11-21 12:00", "2027-01-01 00:00");
    next_is("0 12 31 * *", "UTC", "2026-11-01 00:00", "2026-12-31 12:00");
    next_is("1,2,59 23 * * *", "UTC", "2026-11-21 23:02", "2026-11-21 23:59");
    next_is("0 */6 * * *", "UTC", "2026-11-21 12:00", "2026-11-21 18:00");
}

static void two_restricted_days_are_alternatives(void **state)
{
    (void)state;
    next_is("0 0 13 * fri", "UTC", "2026-11-21 12:00", "2026-11-27 00:00");
    next_is("0 0 13 * fri", "UTC", "2026-12-12 12:00", "2026-12-13 00:00");
    next_is("0 0 */2 * fri", "UTC", "2026-11-21 12:00", "2026-11-27 00:00");
}

static void words_stand_for_fields(void **state)
{
    (void)state;
    next_is("@hourly", "UTC", "2026-11-21 12:00", "2026-11-21 13:00");
    next_is("@daily", "UTC", "2026-11-21 12:00", "2026-11-22 00:00");
    next_is("@weekly", "UTC", "2026-11-21 12:00", "2026-11-22 00:00");
    next_is("@monthly", "UTC", "2026-11-21 12:00", "2026-12-01 00:00");
    next_is("@yearly", "UTC", "2026-11-21 12:00", "2027-01-01 00:00");
    next_is("every 6h", "UTC", "2026-11-21 12:00", "2026-11-21 18:00");
    next_is("every 90min", "UTC", "2026-11-21 12:01", "2026-11-21 13:30");
}

static void what_cannot_be_meant_is_refused(void **state)
{
    static const char *const wrong[] = {
        "", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *",
        "* * * 13 *", "* * * * 8", "5/10 * * * *", "*/0 * * * *", "30-10 * * * *", "a * * * *",
        "1,, * * * *x", "0 0 30 2 *", "0 0 31 apr,jun *", "@often", "every", "every 6",
        "every 10s", "-1 * * * *", "* * * foo *", "1- * * * *", "*5 * * * *", "every 0h",
        "0 0 * * monday",
    };
    struct cron cron;
    char why[200];

    (void)state;
    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (cron_parse(wrong[i], &cron, why, sizeof why))
            fail_msg("\"%s\" was taken for a schedule", wrong[i]);
}

static void a_skipped_time_is_due_at_the_change_once(void **state)
{
    (void)state;
    next_is("30 2 * * *", berlin, "2026-03-28 12:00", "2026-03-29 01:00");
    next_is("30 2 * * *", berlin, "2026-03-29 01:00", "2026-03-30 00:30");
    next_is("0,15,30,45 2 * * *", berlin, "2026-03-29 01:00", "2026-03-30 00:00");
    next_is("15 2 * * *", howe, "2026-10-03 00:00", "2026-10-03 15:30");
}

static void a_repeated_time_is_due_the_first_time_only(void **state)
{
    (void)state;
    next_is("30 2 * * *", berlin, "2026-10-24 12:00", "2026-10-25 00:30");
    next_is("30 2 * * *", berlin, "2026-10-25 00:30", "2026-10-26 01:30");
    next_is("30 2 * * *", berlin, "2026-10-25 01:15", "2026-10-26 01:30");
}

static void every_hour_means_every_hour_that_passes(void **state)
{
    (void)state;
    next_is("30 * * * *", berlin, "2026-10-25 00:30", "2026-10-25 01:30");
    next_is("30 * * * *", berlin, "2026-03-29 00:30", "2026-03-29 01:30");
    next_is("0 * * * sun", berlin, "2026-03-28 12:00", "2026-03-28 23:00");
}

static void zones_are_names_or_rules(void **state)
{
    (void)state;
    assert_true(zone_is_known("UTC") && zone_is_known(berlin));
    assert_false(zone_is_known("Mars/Olympus"));
    assert_false(zone_is_known("../../../etc/passwd"));
    assert_false(zone_is_known(""));
    assert_false(zone_is_known("/etc/localtime"));
}

static struct schedule nightly(const char *text, bool catch_up)
{
    return (struct schedule){ .cron = cron_of(text), .zone = berlin, .job = "nightly", .catch_up = catch_up };
}

/* How many runs begin while the clock goes from one time to another, looked at every half minute. */
static int runs_between(const struct schedule *schedule, int64_t *last_due, int64_t from, int64_t to)
{
    int runs = 0;

    for (int64_t now = from; now < to; now += 30)
        runs += schedule_step(schedule, last_due, now);
    return runs;
}

static void months_have_as_many_runs_as_days(void **state)
{
    static const struct {
        const char *from, *to;
        int runs;
    } months[] = {
        { "2026-03-01 12:00", "2026-04-01 12:00", 31 }, /* the clocks go forward */
        { "2026-10-01 12:00", "2026-11-01 12:00", 31 }, /* and back */
        { "2026-11-01 12:00", "2026-12-01 12:00", 30 },
    };
    struct schedule schedule = nightly("30 2 * * *", true);

    (void)state;
    for (int jitter = 0; jitter <= 1800; jitter += 1800)
        for (unsigned i = 0; i < sizeof months / sizeof months[0]; i++) {
            int64_t last_due = 0;

            schedule.jitter = jitter;
            assert_int_equal(runs_between(&schedule, &last_due, at(months[i].from), at(months[i].to)),
                             months[i].runs);
        }
}

static void hourly_runs_of_a_month_are_its_hours(void **state)
{
    struct schedule schedule = nightly("5 * * * *", true);
    int64_t last_due = 0;

    (void)state;
    assert_int_equal(runs_between(&schedule, &last_due, at("2026-03-01 00:00"), at("2026-04-01 00:00")), 744);
    assert_int_equal(runs_between(&schedule, &last_due, at("2026-10-01 00:00"), at("2026-11-01 00:00")), 745);
}

static void missed_runs_become_one_or_none(void **state)
{
    struct schedule schedule = nightly("30 2 * * *", true);
    int64_t last_due = at("2026-11-01 01:30"), other = last_due;

    (void)state;
    assert_int_equal(runs_between(&schedule, &last_due, at("2026-11-10 12:00"), at("2026-11-10 13:00")), 1);
    assert_int_equal(last_due, at("2026-11-10 01:30"));
    schedule.catch_up = false;
    assert_int_equal(runs_between(&schedule, &other, at("2026-11-10 12:00"), at("2026-11-10 13:00")), 0);
    assert_int_equal(runs_between(&schedule, &other, at("2026-11-10 13:00"), at("2026-11-11 13:00")), 1);
}

static void years_of_standing_still_are_counted_quickly(void **state)
{
    struct schedule schedule = nightly("* * * * *", true);
    int64_t last_due = at("1990-01-01 00:00");

    (void)state;
    assert_true(schedule_step(&schedule, &last_due, at("2026-11-21 12:00")));
    assert_int_equal(last_due, at("2026-11-21 12:00"));
    schedule = nightly("0 0 1 jan *", true);
    last_due = at("1990-01-01 00:00");
    assert_true(schedule_step(&schedule, &last_due, at("2026-11-21 12:00")));
    assert_int_equal(last_due, at("2025-12-31 23:00"));
}

static void a_new_job_waits_for_its_first_time(void **state)
{
    struct schedule schedule = nightly("30 2 * * *", true);
    int64_t last_due = 0;

    (void)state;
    assert_int_equal(runs_between(&schedule, &last_due, at("2026-11-10 12:00"), at("2026-11-11 01:30")), 0);
    assert_int_equal(runs_between(&schedule, &last_due, at("2026-11-11 01:30"), at("2026-11-11 01:31")), 1);
}

static void a_clock_that_jumps_doubles_nothing_and_skips_nothing(void **state)
{
    struct schedule schedule = nightly("30 2 * * *", true);
    int64_t last_due = at("2026-11-10 01:30"), due = at("2026-11-11 01:30");

    (void)state;
    assert_true(schedule_step(&schedule, &last_due, due + 5));
    for (int back = 1; back < 3600; back += 60) /* set back a little: not again */
        assert_false(schedule_step(&schedule, &last_due, due + 5 - back));
    assert_int_equal(runs_between(&schedule, &last_due, due - 1800, due + 3600), 0);
    assert_true(schedule_step(&schedule, &last_due, due + 86400 * 3)); /* forward: one for the missed ones */
    assert_false(schedule_step(&schedule, &last_due, due + 86400 * 3 + 60));
    /* It was wrong by decades and is right again: the coming nights have their runs. */
    assert_true(schedule_step(&schedule, &last_due, at("2060-01-01 12:00")));
    assert_int_equal(runs_between(&schedule, &last_due, at("2026-11-20 12:00"), at("2026-11-23 12:00")), 3);
}

static void jitter_spreads_within_its_bound_and_stays_the_same(void **state)
{
    struct schedule schedule = nightly("30 2 * * *", true);
    int64_t least = 3600, most = 0;

    (void)state;
    schedule.jitter = 3600;
    for (int64_t due = 0; due < 1000 * 86400; due += 86400) {
        int64_t start = schedule_start(&schedule, due);

        assert_int_equal(start, schedule_start(&schedule, due));
        least = start - due < least ? start - due : least;
        most = start - due > most ? start - due : most;
    }
    assert_true(least >= 0 && least < 60 && most < 3600 && most > 3540);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_mean_what_crontab_says),
        cmocka_unit_test(two_restricted_days_are_alternatives),
        cmocka_unit_test(words_stand_for_fields),
        cmocka_unit_test(what_cannot_be_meant_is_refused),
        cmocka_unit_test(a_skipped_time_is_due_at_the_change_once),
        cmocka_unit_test(a_repeated_time_is_due_the_first_time_only),
        cmocka_unit_test(every_hour_means_every_hour_that_passes),
        cmocka_unit_test(zones_are_names_or_rules),
        cmocka_unit_test(months_have_as_many_runs_as_days),
        cmocka_unit_test(hourly_runs_of_a_month_are_its_hours),
        cmocka_unit_test(missed_runs_become_one_or_none),
        cmocka_unit_test(years_of_standing_still_are_counted_quickly),
        cmocka_unit_test(a_new_job_waits_for_its_first_time),
        cmocka_unit_test(a_clock_that_jumps_doubles_nothing_and_skips_nothing),
        cmocka_unit_test(jitter_spreads_within_its_bound_and_stays_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
