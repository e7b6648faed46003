/* SPDX-License-Identifier: PostgreSQL
 * test_prepared - statements are shared by text and types, names come and go, and a server's statement is
 * used only when it surely is there and young enough. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/session/prepared.h"

static struct statements all;

static int open_all(void **state)
{
    (void)state;
    statements_open(&all);
    return 0;
}

static size_t statement_count(void)
{
    size_t count = 0;

    for (int i = 0; i < STATEMENT_STRIPES; i++)
        count += all.stripes[i].table.count;
    return count;
}

/* Whoever kept a reference would be found here: a statement lives as long as somebody refers to it. */
static int close_all(void **state)
{
    (void)state;
    assert_int_equal(statement_count(), 0);
    statements_close(&all);
    return 0;
}

static struct statement *intern(const char *query, const char *types, size_t types_bytes)
{
    struct parse_fields parse = { "name", query, strlen(query), types, types_bytes };
    struct statement *statement = statement_intern(&all, &parse);

    assert_non_null(statement);
    return statement;
}

static struct statement *plain(const char *query)
{
    return intern(query, "\0\0", 2);
}

static void the_same_text_and_types_are_one_statement(void **state)
{
    struct statement *a = plain("select 1"), *b = plain("select 1");

    (void)state;
    assert_ptr_equal(a, b);
    assert_int_equal(atomic_load(&a->references), 2);
    assert_int_equal(statement_count(), 1);
    assert_int_equal(a->query_bytes, 9);
    assert_int_equal(a->types_bytes, 2);
    assert_memory_equal(a->bytes, "select 1\0\0\0", 11);
    statement_release(a);
    assert_int_equal(statement_count(), 1);
    statement_release(b);
}

static void another_text_or_other_types_are_another_statement(void **state)
{
    struct statement *statements[] = {
        plain("select $1"), plain("select $1 "), plain("Select $1"), intern("select $1", "\0\1\0\0\0\x17", 6),
        intern("select $1", "\0\1\0\0\0\x14", 6), intern("select $1", "\0\2\0\0\0\x14\0\0\0\x14", 10),
    };
    size_t count = sizeof statements / sizeof *statements;

    (void)state;
    assert_int_equal(statement_count(), count);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++) {
            char a[STATEMENT_NAME_BYTES], b[STATEMENT_NAME_BYTES];

            assert_ptr_not_equal(statements[i], statements[j]);
            statement_name(statements[i], a);
            statement_name(statements[j], b);
            assert_string_not_equal(a, b);
        }
    for (size_t i = 0; i < count; i++)
        statement_release(statements[i]);
}

static void a_forgotten_statement_gets_a_new_name(void **state)
{
    struct statement *statement = plain("select 1");
    char before[STATEMENT_NAME_BYTES], after[STATEMENT_NAME_BYTES];

    (void)state;
    statement_name(statement, before);
    statement_release(statement);
    statement = plain("select 1");
    statement_name(statement, after);
    assert_string_not_equal(before, after);
    statement_release(statement);
}

static void parses_are_numbered_in_order(void **state)
{
    uint64_t first = statements_number(&all);

    (void)state;
    assert_true(first > 0);
    assert_int_equal(statements_number(&all), first + 1);
}

static void names_stand_for_statements(void **state)
{
    struct prepared_names names = { 0 };
    struct statement *one = plain("select 1"), *two = plain("select 2");
    char name[16];

    (void)state;
    assert_null(names_find(&names, "a"));
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "s%d", i);
        assert_non_null(names_add(&names, name, i % 2 ? one : two, (uint64_t)i));
    }
    statement_release(one);
    statement_release(two);
    for (int i = 0; i < 100; i++) {
        struct prepared_name *found;

        snprintf(name, sizeof name, "s%d", i);
        found = names_find(&names, name);
        assert_non_null(found);
        assert_string_equal(found->name, name);
        assert_string_equal(found->statement->bytes, i % 2 ? "select 1" : "select 2");
        assert_int_equal(found->number, i);
    }
    assert_null(names_find(&names, "s100"));
    assert_null(names_find(&names, "S1"));
    names_clear(&names);
    assert_null(names_find(&names, "s1"));
}

static void a_removed_name_can_return_while_someone_refers_to_it(void **state)
{
    struct prepared_names names = { 0 };
    struct statement *statement = plain("select 1");
    struct prepared_name *name = names_add(&names, "a", statement, 7);

    (void)state;
    statement_release(statement);
    name_retain(name);
    names_remove(&names, name);
    names_remove(&names, name);
    assert_null(names_find(&names, "a"));
    assert_int_equal(statement_count(), 1);
    names_restore(&names, name);
    names_restore(&names, name);
    assert_ptr_equal(names_find(&names, "a"), name);
    assert_int_equal(name->number, 7);
    name_release(name);
    assert_ptr_equal(names_find(&names, "a"), name);
    names_remove(&names, name);
    assert_int_equal(statement_count(), 0);
    names_clear(&names);
}

static void a_name_that_was_given_anew_stays_with_its_new_owner(void **state)
{
    struct prepared_names names = { 0 };
    struct statement *one = plain("select 1"), *two = plain("select 2");
    struct prepared_name *older = names_add(&names, "a", one, 1), *newer;

    (void)state;
    name_retain(older);
    names_remove(&names, older);
    newer = names_add(&names, "a", two, 2);
    names_restore(&names, older);
    assert_ptr_equal(names_find(&names, "a"), newer);
    name_release(older);
    names_clear(&names);
    statement_release(one);
    statement_release(two);
}

static void the_unnamed_statement_is_the_last_one_set(void **state)
{
    struct unnamed unnamed = { 0 };

    (void)state;
    assert_true(unnamed_set(&unnamed, "abc", 3));
    assert_true(unnamed_set(&unnamed, "a longer body than before", 25));
    assert_int_equal(unnamed.bytes, 25);
    assert_memory_equal(unnamed.body, "a longer body than before", 25);
    assert_true(unnamed_set(&unnamed, "x", 1));
    assert_true(unnamed.known);
    assert_int_equal(unnamed.bytes, 1);
    assert_memory_equal(unnamed.body, "x", 1);
    unnamed_free(&unnamed);
    assert_false(unnamed.known);
}

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
        with_statements(the_same_text_and_types_are_one_statement),
        with_statements(another_text_or_other_types_are_another_statement),
        with_statements(a_forgotten_statement_gets_a_new_name),
        with_statements(parses_are_numbered_in_order),
        with_statements(names_stand_for_statements),
        with_statements(a_removed_name_can_return_while_someone_refers_to_it),
        with_statements(a_name_that_was_given_anew_stays_with_its_new_owner),
        with_statements(the_unnamed_statement_is_the_last_one_set),
        with_statements(a_statement_is_ready_in_its_batch_and_when_confirmed),
        with_statements(a_statement_parsed_before_the_clients_own_parse_is_too_old),
        with_statements(what_was_skipped_is_doubtful_to_everybody),
        with_statements(the_least_recently_used_statement_is_the_surplus),
        with_statements(a_server_keeps_its_statements_alive),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
