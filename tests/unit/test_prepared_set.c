/* SPDX-License-Identifier: PostgreSQL
 * test_prepared_set - a server's statement is used only when it surely is there and young enough. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/session/prepared_set.h"
#include "tests/unit/statements_scene.h"

static void a_statement_is_ready_in_its_batch_and_when_confirmed(void **state)
{
    struct statement *statement = plain("select 1");
    struct prepared_set set;

    (void)state;
    set_init(&set);
    assert_int_equal(set_look(&set, statement, 1, 0), SET_MISSING);
    assert_true(set_add(&set, statement, 1, 10));
    assert_int_equal(set_look(&set, statement, 1, 10), SET_READY);
    assert_int_equal(set_look(&set, statement, 2, 10), SET_DOUBTFUL);
    set_confirm(&set, statement);
    assert_int_equal(set_look(&set, statement, 2, 10), SET_READY);
    assert_int_equal(set_look(&set, statement, 9, 1), SET_READY);
    set_clear(&set);
    assert_int_equal(set_look(&set, statement, 1, 0), SET_MISSING);
    statement_release(statement);
}

static void a_statement_parsed_before_the_clients_own_parse_is_too_old(void **state)
{
    struct statement *statement = plain("select 1");
    struct prepared_set set;

    (void)state;
    set_init(&set);
    assert_true(set_add(&set, statement, 1, 10));
    set_confirm(&set, statement);
    assert_int_equal(set_look(&set, statement, 1, 11), SET_DOUBTFUL);
    assert_true(set_add(&set, statement, 3, 11));
    assert_int_equal(set_look(&set, statement, 4, 11), SET_DOUBTFUL);
    set_confirm(&set, statement);
    assert_int_equal(set_look(&set, statement, 4, 11), SET_READY);
    assert_int_equal(set.table.count, 1);
    set_clear(&set);
    statement_release(statement);
}

static void what_was_skipped_is_doubtful_to_everybody(void **state)
{
    struct statement *known = plain("select 1"), *unknown = plain("select 2");
    struct prepared_set set;

    (void)state;
    set_init(&set);
    assert_true(set_add(&set, known, 5, 10));
    set_confirm(&set, known);
    assert_true(set_doubt(&set, known));
    assert_true(set_doubt(&set, unknown));
    assert_int_equal(set_look(&set, known, 5, 10), SET_DOUBTFUL);
    assert_int_equal(set_look(&set, known, 5, 1), SET_DOUBTFUL);
    assert_int_equal(set_look(&set, unknown, 5, 0), SET_DOUBTFUL);
    set_remove(&set, unknown);
    assert_int_equal(set_look(&set, unknown, 5, 0), SET_MISSING);
    set_remove(&set, unknown);
    set_confirm(&set, unknown);
    assert_int_equal(set_look(&set, unknown, 5, 0), SET_MISSING);
    set_clear(&set);
    statement_release(known);
    statement_release(unknown);
}

static void what_may_have_been_removed_is_doubtful_until_it_is_parsed_again(void **state)
{
    struct statement *statement = plain("select 1"), *other = plain("select 2");
    struct prepared_set set;

    (void)state;
    set_init(&set);
    assert_true(set_add(&set, statement, 1, 10));
    assert_true(set_add(&set, other, 1, 11));
    set_confirm(&set, statement);
    assert_int_equal(set_confirmed(&set), 1);
    set_doubt_all(&set);
    assert_int_equal(set_confirmed(&set), 0);
    assert_int_equal(set_look(&set, statement, 1, 10), SET_DOUBTFUL);
    assert_int_equal(set_look(&set, other, 1, 11), SET_DOUBTFUL);
    set_clear(&set);
    statement_release(statement);
    statement_release(other);
}

static void the_least_recently_used_statement_is_the_surplus(void **state)
{
    struct statement *s[4] = { plain("a"), plain("b"), plain("c"), plain("d") };
    struct prepared_set set;

    (void)state;
    set_init(&set);
    assert_null(set_surplus(&set, 0));
    for (uint64_t i = 0; i < 4; i++)
        assert_true(set_add(&set, s[i], 1, i));
    assert_null(set_surplus(&set, 4));
    assert_ptr_equal(set_surplus(&set, 3), s[0]);
    assert_int_equal(set_look(&set, s[0], 1, 0), SET_READY);
    for (int i = 1; i < 4; i++) {
        assert_ptr_equal(set_surplus(&set, 0), s[i]);
        set_remove(&set, s[i]);
    }
    assert_ptr_equal(set_surplus(&set, 0), s[0]);
    set_clear(&set);
    assert_null(set_surplus(&set, 0));
    for (int i = 0; i < 4; i++)
        statement_release(s[i]);
}

static void a_server_keeps_its_statements_alive(void **state)
{
    struct statement *statement = plain("select 1");
    struct prepared_set set;

    (void)state;
    set_init(&set);
    assert_true(set_add(&set, statement, 1, 1));
    assert_true(set_add(&set, statement, 2, 2));
    statement_release(statement);
    assert_int_equal(statement_count(), 1);
    set_remove(&set, statement);
    assert_int_equal(statement_count(), 0);
    set_clear(&set);
}

#define with_statements(test) cmocka_unit_test_setup_teardown(test, open_all, close_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_statements(a_statement_is_ready_in_its_batch_and_when_confirmed),
        with_statements(a_statement_parsed_before_the_clients_own_parse_is_too_old),
        with_statements(what_was_skipped_is_doubtful_to_everybody),
        with_statements(what_may_have_been_removed_is_doubtful_until_it_is_parsed_again),
        with_statements(the_least_recently_used_statement_is_the_surplus),
        with_statements(a_server_keeps_its_statements_alive),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
