/* SPDX-License-Identifier: PostgreSQL
 * test_roles - which host is the primary, by what each says of itself and Patroni of all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "router/roles.h"

enum { SYSTEM = 77, OTHER_SYSTEM = 78 };

/* A host in short: letter and timeline. w takes writes, r in recovery, d down, ? unheard; then L or M,
 * Patroni's word; then ' for another cluster. */
static struct host_report report_of(const char *text)
{
    struct host_report report = {
        .heard = *text != '?', .reachable = *text != 'd', .in_recovery = *text == 'r'};

    if (*text == 'w')
        report.system = strchr(text, '\'') != NULL ? OTHER_SYSTEM : SYSTEM;
    if (*text == 'w' && text[1] >= '1' && text[1] <= '9')
        report.timeline = (uint32_t)(text[1] - '0');
    if (strchr(text, 'L') != NULL)
        report.patroni = PATRONI_LEADER;
    if (strchr(text, 'M') != NULL)
        report.patroni = PATRONI_MEMBER;
    return report;
}

static void judged(struct roles *roles, const char *first, const char *second, const char *expected)
{
    static const char letters[] = {[HOST_UNKNOWN] = 'U', [HOST_DOWN] = 'D', [HOST_PRIMARY] = 'P',
                                   [HOST_STANDBY] = 'S', [HOST_STALE] = 'X'};
    const struct host_report reports[] = {report_of(first), report_of(second)};
    char found[3] = "";

    roles_judge(roles, reports, 2);
    found[0] = letters[roles->items[0]];
    found[1] = letters[roles->items[1]];
    assert_string_equal(found, expected);
}

static void the_one_that_takes_writes_is_the_primary(void **state)
{
    struct roles roles = {0};

    (void)state;
    judged(&roles, "?", "?", "UU");
    assert_false(roles.known);
    judged(&roles, "w1", "r", "PS");
    assert_true(roles.known && roles.primary == 0 && roles.timeline == 1);
    judged(&roles, "d", "r", "DS");
    judged(&roles, "d", "w2", "DP");
    assert_int_equal(roles.timeline, 2);
}

static void of_two_the_newer_timeline_wins(void **state)
{
    struct roles roles = {0};

    (void)state;
    judged(&roles, "w1", "w2", "XP");
    assert_true(roles.contested);
    judged(&roles, "w3", "w2", "PX");
    judged(&roles, "w3", "r", "PS");
    assert_false(roles.contested);
}

static void among_equals_the_last_primary_stays(void **state)
{
    struct roles roles = {0};

    (void)state;
    judged(&roles, "r", "w1", "SP");
    judged(&roles, "w1", "w1", "XP");
    judged(&roles, "w", "w", "XP");
}

static void an_older_timeline_is_stale_even_alone(void **state)
{
    struct roles roles = {0};

    (void)state;
    judged(&roles, "d", "w2", "DP");
    judged(&roles, "w1", "d", "XD");
    judged(&roles, "w1", "w2", "XP");
    judged(&roles, "w3", "d", "PD");
}

static void another_cluster_counts_only_when_the_first_is_gone(void **state)
{
    struct roles roles = {0};

    (void)state;
    judged(&roles, "w5", "r", "PS");
    judged(&roles, "w5", "w9'", "PX");
    judged(&roles, "d", "w1'", "DP");
    assert_int_equal(roles.timeline, 1);
}

static void patroni_names_the_leader(void **state)
{
    struct roles roles = {0};

    (void)state;
    judged(&roles, "w1L", "rM", "PS");
    judged(&roles, "w1M", "rL", "XS");
    judged(&roles, "w1M", "w2L", "XP");
    judged(&roles, "dM", "w2L", "DP");
    judged(&roles, "w1L", "dM", "PD");
}

static void a_host_alone_is_never_stale(void **state)
{
    struct roles roles = {0};
    struct host_report report = report_of("w2");

    (void)state;
    roles_judge(&roles, &report, 1);
    report.timeline = 1;
    roles_judge(&roles, &report, 1);
    assert_int_equal(roles.items[0], HOST_PRIMARY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_one_that_takes_writes_is_the_primary),
        cmocka_unit_test(of_two_the_newer_timeline_wins),
        cmocka_unit_test(among_equals_the_last_primary_stays),
        cmocka_unit_test(an_older_timeline_is_stale_even_alone),
        cmocka_unit_test(another_cluster_counts_only_when_the_first_is_gone),
        cmocka_unit_test(patroni_names_the_leader),
        cmocka_unit_test(a_host_alone_is_never_stale),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
