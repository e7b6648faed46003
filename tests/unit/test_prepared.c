/* SPDX-License-Identifier: PostgreSQL
 * test_prepared - statements are shared by text, types and meaning, names come and go, and what a text may do
 * is kept with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/statements_scene.h"

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

static void another_meaning_is_another_statement(void **state)
{
    static struct settings_home home;
    static struct settings german = { .home = &home, .references = 1 };
    static struct settings iso = { .home = &home, .references = 1 };
    struct parse_fields parse = { "", "select '1.2.2020'::date", 23, "\0\0", 2 };
    struct statement *plain_one = statement_intern(&all, &parse, NULL);
    struct statement *one = statement_intern(&all, &parse, &german);
    struct statement *other = statement_intern_again(one, &iso);

    (void)state;
    assert_ptr_not_equal(plain_one, one);
    assert_ptr_not_equal(one, other);
    assert_ptr_equal(statement_intern_again(plain_one, &german), one);
    assert_int_equal(other->query_bytes, 24);
    assert_memory_equal(other->bytes, one->bytes, 26);
    statement_release(one);
    statement_release(one);
    statement_release(other);
    statement_release(plain_one);
}

static void a_name_can_come_to_stand_for_another_statement(void **state)
{
    struct prepared_names names = { 0 };
    struct statement *one = plain("select 1"), *two = plain("select 2");
    struct prepared_name *name = names_add(&names, "a", one, 1);

    (void)state;
    statement_release(one);
    name_become(name, two);
    statement_release(two);
    assert_int_equal(statement_count(), 1);
    assert_ptr_equal(names_find(&names, "a")->statement, two);
    names_free(&names);
}

static void what_a_text_may_do_is_kept_only_when_it_matters(void **state)
{
    static struct statement_facts facts;
    struct statement_facts *kept = NULL, *first;

    (void)state;
    assert_false(facts_matter(&facts));
    facts.ddl = facts.many = facts.transaction_block = true;
    assert_false(facts_matter(&facts));
    facts.executes = true;
    assert_true(facts_matter(&facts));
    facts.executes = false;
    facts.suspects = PIN_BIT(SETTING);
    facts.settings.count = 2;
    strcpy(facts.settings.names[0], "a.b");
    strcpy(facts.settings.names[1], "work_mem");
    assert_true(facts_matter(&facts));
    assert_true(facts_keep(&kept, &facts));
    first = kept;
    assert_int_equal(kept->suspects, PIN_BIT(SETTING));
    assert_string_equal(kept->settings.names[1], "work_mem");
    facts.settings.count = 0;
    assert_true(facts_keep(&kept, &facts));
    assert_ptr_equal(kept, first);
    assert_int_equal(kept->settings.count, 0);
    free(kept);
}

static void a_list_holds_its_names_until_it_lets_go(void **state)
{
    struct prepared_names names = { 0 };
    struct statement *statement = plain("select 1");
    struct name_list list = { 0 };
    char text[8];

    (void)state;
    for (int i = 0; i < 40; i++) {
        struct prepared_name *name;

        snprintf(text, sizeof text, "s%d", i);
        name = names_add(&names, text, statement, (uint64_t)i);
        name->material = i % 2 == 0 ? MATERIAL_TRUE : MATERIAL_NONE;
        assert_true(name_list_add(&list, name));
        assert_true(name_list_add(&list, NULL));
    }
    statement_release(statement);
    names_free(&names);
    assert_int_equal(list.count, 80);
    assert_string_equal(list.names[2]->name, "s1");
    name_list_compact(&list);
    assert_int_equal(list.count, 20);
    assert_string_equal(list.names[19]->name, "s38");
    name_list_free(&list);
    assert_int_equal(list.count, 0);
}

static void the_unnamed_statement_is_the_last_one_set(void **state)
{
    struct statement_facts nothing = { 0 }, something = { .suspects = PIN_BIT(SEED) };
    struct unnamed unnamed = { 0 };

    (void)state;
    assert_true(unnamed_set(&unnamed, "abc", 3, &something));
    assert_true(unnamed_set(&unnamed, "a longer body than before", 25, &nothing));
    assert_int_equal(unnamed.bytes, 25);
    assert_memory_equal(unnamed.body, "a longer body than before", 25);
    assert_null(unnamed.facts);
    assert_true(unnamed_set(&unnamed, "x", 1, &something));
    assert_true(unnamed.known);
    assert_int_equal(unnamed.bytes, 1);
    assert_memory_equal(unnamed.body, "x", 1);
    assert_non_null(unnamed.facts);
    assert_int_equal(unnamed.facts->suspects, PIN_BIT(SEED));
    unnamed_forget(&unnamed);
    assert_false(unnamed.known);
    unnamed_free(&unnamed);
    assert_false(unnamed.known);
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
        with_statements(another_meaning_is_another_statement),
        with_statements(a_name_can_come_to_stand_for_another_statement),
        with_statements(what_a_text_may_do_is_kept_only_when_it_matters),
        with_statements(a_list_holds_its_names_until_it_lets_go),
        with_statements(the_unnamed_statement_is_the_last_one_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
