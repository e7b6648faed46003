/* SPDX-License-Identifier: PostgreSQL
 * test_statement_body - what DO and functions may do by their text, and the identifiers that it names. */
#include "tests/unit/statement_scene.h"

static void check_body(const char *text, uint32_t suspects, const char *settings)
{
    struct statement_facts facts;

    memset(&facts, 0xff, sizeof facts);
    statement_examine_body(text, strlen(text), &facts);
    check_found(text, &facts, suspects);
    check_names(text, &facts.settings, settings);
}

/* The same as the body of a function and of DO. */
static void check_both(const char *text, uint32_t suspects, const char *settings)
{
    char statement[1000];
    struct statement_facts facts;

    check_body(text, suspects, settings);
    snprintf(statement, sizeof statement, "DO $body$%s$body$", text);
    facts = classify(statement);
    check_found(statement, &facts, suspects);
    check_names(statement, &facts.settings, settings);
    assert_false(facts.many);
    assert_false(facts.transaction_block);
    assert_true(facts.ddl);
    assert_true(facts.routines_change);
}

static void a_body_that_only_computes_raises_nothing(void **state)
{
    (void)state;
    check_both("", 0, "");
    check_both("BEGIN END", 0, "");
    check_both("DECLARE set int := 1; BEGIN set := 2; reset = 'x'; COMMIT; ROLLBACK; END", 0, "");
    check_both("BEGIN UPDATE t SET a = 1; INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING; END", 0, "");
    check_both("BEGIN MERGE INTO t USING s ON a WHEN NOT MATCHED THEN DO NOTHING; END", 0, "");
    check_both("BEGIN RAISE NOTICE 'SET a = b'; x := 'SET a = b'; END", 0, "");
    check_both("BEGIN GRANT EXECUTE ON FUNCTION f() TO a; END", 0, "");
    check_both("BEGIN CREATE TRIGGER a BEFORE INSERT ON t EXECUTE FUNCTION f(); END", 0, "");
    check_both("BEGIN SET LOCAL a = b; PERFORM set_config('a', 'b', true); -- SET a = b;\n END", 0, "");
    check_both("SELECT 1; SELECT $1", 0, "");
}

static void statements_begin_where_the_language_lets_them(void **state)
{
    (void)state;
    check_both("BEGIN SET a = b; END", PIN_BIT(SETTING), "a");
    check_both("<<here>> DECLARE x int; BEGIN SET a = b; END", PIN_BIT(SETTING), "a");
    check_both("<<here>>\nBEGIN SET a = b; END", PIN_BIT(SETTING), "a");
    check_both("BEGIN IF x THEN SET a = b; ELSE RESET c; END IF; END", PIN_BIT(SETTING), "a c");
    check_both("BEGIN FOR i IN 1..2 LOOP SET app.x = 'b'; END LOOP; END", PIN_BIT(SETTING), "app.x");
    check_both("BEGIN x := 1; EXCEPTION WHEN others THEN LISTEN x; END", PIN_BIT(LISTEN), "");
    check_both("BEGIN CREATE TEMP TABLE t (a int); PERFORM pg_advisory_lock(1); END",
               PIN_BIT(TEMPORARY) | PIN_BIT(ADVISORY_LOCK), "");
    check_both("SELECT 1; SET a = b", PIN_BIT(SETTING), "a");
    check_both("BEGIN RETURN CASE WHEN x THEN set_config('a', 'b', false) END; END", PIN_BIT(SETTING), "a");
}

static void names_from_the_arguments_are_computed(void **state)
{
    struct statement_facts facts = classify("DO $$ BEGIN PERFORM set_config($1, 'b', false); END $$");

    (void)state;
    check_both("BEGIN PERFORM set_config(name, 'b', false); END",
               PIN_BIT(SETTING) | PIN_BIT(UNKNOWN_SETTING), "");
    check_body("SELECT set_config($1, $2, false)", PIN_BIT(SETTING) | PIN_BIT(UNKNOWN_SETTING), "");
    assert_int_equal(facts.setting_parameter, 0);
    assert_true(facts.settings_all);
}

static void constants_that_are_executed_are_looked_into(void **state)
{
    (void)state;
    check_both("BEGIN EXECUTE 'SET a = b'; END", PIN_BIT(SETTING), "a");
    check_both("BEGIN EXECUTE $x$SELECT set_config('a', 'b', false)$x$ INTO y USING z; END",
               PIN_BIT(SETTING), "a");
    check_both("BEGIN EXECUTE 'SELECT set_config(''a'', ''--'', false)' USING z; END", PIN_BIT(SETTING), "a");
    check_both("BEGIN EXECUTE 'SELECT ''--''; SET a = b'; END", PIN_BIT(SETTING), "a");
    check_both("BEGIN EXECUTE E'SELECT \\'--\\'; SET\\ta = b'; END", PIN_BIT(SETTING), "a");
    check_both("BEGIN FOR r IN EXECUTE 'SELECT lastval()' LOOP END LOOP; END", PIN_BIT(SEQUENCE), "");
    check_both("BEGIN RETURN QUERY EXECUTE 'SELECT 1'; END", 0, "");
    check_both("BEGIN EXECUTE 'CREATE TABLE t (a int)'; RAISE NOTICE 'SET a = b'; END", 0, "");
    check_both("BEGIN EXECUTE 'BEGIN; COPY t FROM STDIN'; END", 0, "");
    check_both("BEGIN EXECUTE 'DO ''BEGIN SET a = b; END'''; END", PIN_BIT(ANYTHING), "");
}

static void what_is_executed_and_computed_may_be_anything(void **state)
{
    (void)state;
    check_both("BEGIN EXECUTE x; END", PIN_BIT(ANYTHING), "");
    check_both("BEGIN EXECUTE 'SELECT ' || x; END", PIN_BIT(ANYTHING), "");
    check_both("BEGIN EXECUTE function; END", PIN_BIT(ANYTHING), "");
    check_both("BEGIN EXECUTE ('SELECT 1'); END", PIN_BIT(ANYTHING), "");
    check_both("BEGIN EXECUTE U&'SELECT 1'; END", PIN_BIT(ANYTHING), "");
    check_both("BEGIN EXECUTE E'SELECT \\x31'; END", PIN_BIT(ANYTHING), "");
    check_both("BEGIN EXECUTE 'SELECT'\n' 1'; END", PIN_BIT(ANYTHING), "");
    check_both("BEGIN EXECUTE format('SET %I = b', a); END",
               PIN_BIT(ANYTHING) | PIN_BIT(SETTING) | PIN_BIT(UNKNOWN_SETTING), "");
    check_both("BEGIN x := 'SET a = b'; EXECUTE x; END", PIN_BIT(ANYTHING) | PIN_BIT(SETTING), "a");
    check_body("BEGIN CALL p(); END", 0, "");
}

static void all_spellings_of_do_are_looked_into(void **state)
{
    (void)state;
    check_suspects(PIN_BIT(SETTING), "DO 'BEGIN SET a = b; END'",
                   "DO LANGUAGE plpgsql $$BEGIN SET a = b; END$$",
                   "do $x$BEGIN SET a = b; END$x$ language PLpgSQL", "DO E'BEGIN SET\\na = b; END'",
                   "DO 'BEGIN PERFORM ''--''; SET a = b; END' LANGUAGE 'plpgsql'",
                   "DO LANGUAGE \"plpgsql\" 'BEGIN SET a = b; END'",
                   "SELECT 1; DO /* x */ $$BEGIN SET a = b; END$$;");
    check_suspects(PIN_BIT(ANYTHING), "DO", "DO x", "DO U&'BEGIN END'", "DO LANGUAGE plpython3u 'pass'",
                   "DO 'pass' LANGUAGE plperl", "DO $$BEGIN CALL p(); END$$", "DO 'BEGIN'\n' END'",
                   "DO $$BEGIN END",
                   "DO 'BEGIN END");
}

static void long_bodies_in_plain_quotes_may_be_anything(void **state)
{
    enum { BYTES = 20000 };
    char *text = malloc(BYTES + 1);

    (void)state;
    memset(text, ' ', BYTES);
    memcpy(text, "DO 'SELECT ''x''", 16);
    text[BYTES - 1] = '\'';
    text[BYTES] = '\0';
    check_suspects(PIN_BIT(ANYTHING), text);
    memcpy(text, "DO 'SELECT    x ", 16);
    check_suspects(0, text);
    free(text);
}

static void name_add(void *owner, const char *name, size_t length)
{
    char *names = owner;

    snprintf(names + strlen(names), 200 - strlen(names), "%.*s ", (int)length, name);
}

static void identifiers_are_told(void **state)
{
    static const char text[] = "BEGIN PERFORM Public.f(x) /* g */, \"H\"\"i\", 'j';"
                               "EXECUTE 'SELECT k(''l'')'; END";
    char names[200] = "";

    (void)state;
    statement_identifiers(text, sizeof text - 1, name_add, names);
    assert_string_equal(names, "BEGIN PERFORM Public f x H\"i j EXECUTE SELECT k END ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_that_only_computes_raises_nothing),
        cmocka_unit_test(statements_begin_where_the_language_lets_them),
        cmocka_unit_test(names_from_the_arguments_are_computed),
        cmocka_unit_test(constants_that_are_executed_are_looked_into),
        cmocka_unit_test(what_is_executed_and_computed_may_be_anything),
        cmocka_unit_test(all_spellings_of_do_are_looked_into),
        cmocka_unit_test(long_bodies_in_plain_quotes_may_be_anything),
        cmocka_unit_test(identifiers_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
