/* SPDX-License-Identifier: PostgreSQL
 * test_census - PostgreSQL's answer to the control question, row by row, and how gateways announce
 * themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/fault.h"
#include "gateway/control/census.h"

static struct census *census;

static bool row(const char *kind, const char *a, const char *b, const char *c, const char *d)
{
    const char *const texts[5] = {kind, a, b, c, d};
    struct fault fault;

    return census_row(census, texts, &fault);
}

static int open_census(void **state)
{
    (void)state;
    census = census_new();
    return census == NULL;
}

static int close_census(void **state)
{
    (void)state;
    census_free(census);
    return 0;
}

static void facts_are_taken_by_name(void **state)
{
    (void)state;
    assert_true(row("fact", "max_connections", "100", "", ""));
    assert_true(row("fact", "system_identifier", "7710677796065645582", "", ""));
    assert_true(row("fact", "announced", "0", "pgsluice control", ""));
    assert_int_equal(census->facts.max_connections, 100);
    assert_true(census->facts.system_identifier == INT64_C(7710677796065645582));
}

static void every_fact_has_a_name_and_its_sql_is_asked(void **state)
{
    const char *name, *sql;
    size_t count = 0;

    (void)state;
    for (; (name = facts_name(count, &sql)) != NULL; count++) {
        assert_true(facts_set(&census->facts, name, 1));
        assert_non_null(strstr(census_query(), sql));
    }
    assert_true(count > 5);
    assert_false(facts_set(&census->facts, "max_conn", 1));
}

static void backends_gateways_and_limits_are_listed(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++)
        assert_true(row("backend", "4711", "client backend", "app", "ann"));
    assert_true(row("backend", "4712", "walsender", "", "rep"));
    assert_true(row("gateway", "4713", "pgsluice control 00000000000000ff want=7 use=3", "", ""));
    assert_true(row("gateway", "4714", "pgsluice control of mine", "", ""));
    assert_true(row("role", "ann", "5", "", ""));
    assert_true(row("database", "app", "6", "", ""));
    assert_int_equal(census->backend_count, 201);
    assert_int_equal(census->backends[199].pid, 4711);
    assert_string_equal(census->backends[0].database, "app");
    assert_true(census->backends[200].walsender && !census->backends[0].walsender);
    assert_int_equal(census->gateway_count, 1);
    assert_true(census->gateways[0].id == 255 && census->gateways[0].want == 7 &&
                census->gateways[0].use == 3);
    assert_int_equal(census->limit_count, 2);
    assert_int_equal(census->limits[0].kind, PARTY_USER);
    assert_int_equal(census->limits[1].limit, 6);
}

static void rows_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    assert_false(row("fact", "max_connections", "many", "", ""));
    assert_false(row("fact", "max_connections", "", "", ""));
    assert_false(row("fact", "max_connections", "99999999999999999999", "", ""));
    assert_false(row("fact", "shoe_size", "42", "", ""));
    assert_false(row("backend", "-1", "client backend", "", ""));
    assert_false(row("backend", "4294967296", "client backend", "", ""));
    assert_false(row("role", "ann", "five", "", ""));
}

static void more_rows_than_any_server_has_are_refused(void **state)
{
    int rows = 0;

    (void)state;
    while (row("backend", "1", "client backend", "a", "b"))
        rows++;
    assert_int_equal(rows, CENSUS_ROWS_MAX);
}

static void an_announcement_is_read_as_it_was_written(void **state)
{
    char text[ANNOUNCEMENT_BYTES];
    struct census_gateway gateway;

    (void)state;
    announcement_print(text, UINT64_MAX, 999999, 999999);
    assert_true(strlen(text) < 64); /* PostgreSQL cuts longer names */
    assert_true(announcement_read(text, &gateway));
    assert_true(gateway.id == UINT64_MAX && gateway.want == 999999 && gateway.use == 999999);
}

static void what_is_no_announcement_is_none(void **state)
{
    static const char *const others[] = {"", "psql", "pgsluice auth", "pgsluice control ",
                                         "pgsluice control 1 want=1", "pgsluice control 1 want=-1 use=1",
                                         "pgsluice control 1 want=1 use=1 and more",
                                         "pgsluice control 1 want=9999999 use=1"};
    struct census_gateway gateway;

    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(announcement_read(others[i], &gateway));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_census, close_census)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(facts_are_taken_by_name),
        TEST(every_fact_has_a_name_and_its_sql_is_asked),
        TEST(backends_gateways_and_limits_are_listed),
        TEST(rows_that_make_no_sense_are_refused),
        TEST(more_rows_than_any_server_has_are_refused),
        TEST(an_announcement_is_read_as_it_was_written),
        TEST(what_is_no_announcement_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
