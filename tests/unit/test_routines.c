/* SPDX-License-Identifier: PostgreSQL
 * test_routines - what a name may do follows from its source, from whom it uses, and from nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/session/routines.h"
#include "gateway/session/routines_make.h"
#include "gateway/session/statement.h"

static struct routines_maker *maker;

static int open_maker(void **state)
{
    (void)state;
    maker = maker_new();
    return maker == NULL;
}

static int close_maker(void **state)
{
    (void)state;
    maker_free(maker);
    return 0;
}

static void source(const char *name, const char *language, const char *text)
{
    assert_true(maker_source(maker, name, language, text, strlen(text)));
}

static const struct routine *find(const struct routines *routines, const char *name)
{
    return routines_find(routines, name, strlen(name));
}

static void a_database_without_suspicious_functions_has_an_empty_set(void **state)
{
    struct routines *routines;

    (void)state;
    source("add", "sql", "SELECT a + 1");
    source("mark", "plpgsql", "BEGIN INSERT INTO marks VALUES (1); END");
    source("count", "plpython3u", "return len(words)");
    assert_true(maker_uses(maker, "some_view", "add"));
    routines = maker_finish(maker);
    assert_true(routines_empty(routines));
    assert_int_equal(routines_count(routines), 0);
    assert_null(find(routines, "add"));
    assert_null(find(routines, ""));
    assert_null(routines_always(routines));
    assert_null(routines_on_ddl(routines));
    routines_release(routines);
}

static void suspicions_reach_everybody_who_uses_one(void **state)
{
    struct routines *routines;

    (void)state;
    assert_true(maker_uses(maker, "view", "middle"));
    assert_true(maker_uses(maker, "view_of_view", "view"));
    assert_true(maker_uses(maker, MAKER_ON_DDL, "deep"));
    assert_true(maker_uses(maker, "harmless_view", "harmless"));
    assert_true(maker_name(maker, "outer") && maker_name(maker, "middle") && maker_name(maker, "deep"));
    source("outer", "plpgsql", "BEGIN PERFORM Middle(); END"); /* before the others are known */
    source("middle", "sql", "SELECT s.\"deep\"()");
    source("deep", "sql", "SELECT pg_advisory_lock(1)");
    source("harmless", "sql", "SELECT 'deep'");
    routines = maker_finish(maker);
    assert_int_equal(routines_count(routines), 5);
    assert_int_equal(find(routines, "OUTER")->suspects, PIN_BIT(ADVISORY_LOCK));
    assert_int_equal(find(routines, "View_Of_View")->suspects, PIN_BIT(ADVISORY_LOCK));
    assert_null(find(routines, "harmless_view"));
    assert_null(find(routines, "outer2"));
    assert_null(routines_always(routines));
    assert_int_equal(routines_on_ddl(routines)->suspects, PIN_BIT(ADVISORY_LOCK));
    assert_false(routines_empty(routines));
    routines_release(routines);
}

static void functions_that_call_each_other_come_to_an_end(void **state)
{
    struct routines *routines;

    (void)state;
    assert_true(maker_name(maker, "a") && maker_name(maker, "b") && maker_name(maker, "c"));
    source("a", "sql", "SELECT b()");
    source("b", "sql", "SELECT c()");
    source("c", "sql", "SELECT a(), setseed(0.5)");
    source("b", "sql", "SELECT b(1)"); /* another one of that name */
    routines = maker_finish(maker);
    assert_int_equal(routines_count(routines), 3);
    assert_int_equal(find(routines, "a")->suspects, PIN_BIT(SEED));
    routines_release(routines);
}

static void trees_of_expressions_name_built_in_functions(void **state)
{
    struct routines *routines;

    (void)state;
    assert_true(maker_uses_builtin(maker, "t", "set_config"));
    assert_true(maker_uses_builtin(maker, "v", "pg_settings"));
    assert_true(maker_uses_builtin(maker, MAKER_ALWAYS, "pg_advisory_lock"));
    routines = maker_finish(maker);
    assert_int_equal(find(routines, "t")->suspects, PIN_BIT(SETTING) | PIN_BIT(UNKNOWN_SETTING));
    assert_true(find(routines, "t")->settings_all);
    assert_true(find(routines, "v")->settings_all);
    assert_int_equal(routines_always(routines)->suspects, PIN_BIT(ADVISORY_LOCK));
    routines_release(routines);
}

static void other_languages_are_suspicious_when_they_may_run_sql(void **state)
{
    struct routines *routines;

    (void)state;
    source("runs", "plpython3u", "plpy.execute('select 1')");
    source("runs_too", "plperl", "my $x = spi_exec_query('select 1');");
    source("computes", "plperl", "return $_[0] * 2;");
    assert_true(maker_source(maker, "too_long", "plpgsql", NULL, 0));
    routines = maker_finish(maker);
    assert_int_equal(find(routines, "runs")->suspects, PIN_BIT(ANYTHING));
    assert_int_equal(find(routines, "runs_too")->suspects, PIN_BIT(ANYTHING));
    assert_int_equal(find(routines, "too_long")->suspects, PIN_BIT(ANYTHING));
    assert_null(find(routines, "computes"));
    routines_release(routines);
}

#define SIXTY "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz12345678"

static void names_are_found_as_postgresql_would_find_them(void **state)
{
    struct routines *routines;

    (void)state;
    source("say \"x\"", "sql", "SELECT setseed(1)");
    source(SIXTY "abc", "sql", "SELECT setseed(1)"); /* PostgreSQL keeps 63 bytes */
    source("gr\xc3\xb6\xc3\x9f" "e", "sql", "SELECT pg_advisory_lock(1)");
    routines = maker_finish(maker);
    assert_non_null(find(routines, "say \"\"x\"\""));
    assert_non_null(find(routines, "SAY \"\"X\"\""));
    assert_null(find(routines, "say \"x\""));
    assert_non_null(find(routines, SIXTY "abcdefgh"));
    assert_null(find(routines, "abcdefghijklmnopqrstuvwxyz"));
    /* in any encoding, so at the price of other names like it */
    assert_int_equal(find(routines, "gr\xf6\xdf" "e")->suspects, PIN_BIT(ADVISORY_LOCK));
    assert_int_equal(find(routines, "GR\xd6SSE")->suspects, PIN_BIT(ADVISORY_LOCK));
    routines_release(routines);
}

static void every_name_of_many_is_found_and_no_other(void **state)
{
    struct routines *routines;
    char name[32];

    (void)state;
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "f%d", i * 7);
        source(name, "sql", i % 2 == 0 ? "SELECT setseed(1)" : "SELECT 1");
    }
    routines = maker_finish(maker);
    assert_int_equal(routines_count(routines), 1500);
    for (int i = 0; i < 21000; i++) {
        snprintf(name, sizeof name, "F%d", i);
        assert_int_equal(find(routines, name) != NULL, i % 14 == 0);
    }
    routines_release(routines);
}

static void what_a_routine_does_is_added_to_its_statement(void **state)
{
    static const char *const names[] = {"a.b", "c.d", "e.f", "g.h"};
    const struct routine routine = {
        .suspects = PIN_BIT(SETTING), .notifies = true, .setting_count = 4, .settings = names};
    struct statement_facts facts = {.suspects = PIN_BIT(SEED)};

    (void)state;
    facts.settings.count = 1;
    strcpy(facts.settings.names[0], "c.d");
    routine_apply(&routine, &facts);
    assert_int_equal(facts.suspects, PIN_BIT(SEED) | PIN_BIT(SETTING));
    assert_true(facts.notifies);
    assert_int_equal(facts.settings.count, 4);
    assert_string_equal(facts.settings.names[1], "a.b");
    assert_false(facts.settings_all);
    strcpy(facts.settings.names[0], "x.y"); /* c.d is a fifth one now */
    routine_apply(&routine, &facts);
    assert_true(facts.settings_all);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_maker, close_maker)
    const struct CMUnitTest tests[] = {
        TEST(a_database_without_suspicious_functions_has_an_empty_set),
        TEST(suspicions_reach_everybody_who_uses_one),
        TEST(functions_that_call_each_other_come_to_an_end),
        TEST(trees_of_expressions_name_built_in_functions),
        TEST(other_languages_are_suspicious_when_they_may_run_sql),
        TEST(names_are_found_as_postgresql_would_find_them),
        TEST(every_name_of_many_is_found_and_no_other),
        TEST(what_a_routine_does_is_added_to_its_statement),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
