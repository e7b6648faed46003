/* SPDX-License-Identifier: PostgreSQL
 * test_statement_settings - which settings a text may change, in every spelling that PostgreSQL takes. */
#include "tests/unit/statement_scene.h"

static void set_names_its_setting(void **state)
{
    (void)state;
    check_settings_of("a", "SET a = b", "set A TO b", " ; SET a TO b", "SELECT 1; SET a = b",
                      "/* x */ SET a = b",
                      "-- x\nSET a = b", "SET SESSION a = b", "SET/**/SESSION\n--x\na/**/=1",
                      "SET \"A\" TO 'x', y",
                      "BEGIN; SET a = b; COMMIT", "SET a FROM CURRENT", "SET a = DEFAULT", "SET a=-1",
                      "SET a TO on",
                      "SET a = 1; SET A = 2; SET SESSION a = 3", "RESET a", "reset \"A\"");
    check_settings("SET app.tenant_id = 1", "app.tenant_id");
    check_settings("SET \"App\" . /* x */ \"Tenant\".x TO 1", "app.tenant.x");
    check_settings("SET \"app.x\" = 1", "app.x");
    check_settings("SET \"a\"\"b\" = 1", "a\"b");
    check_settings("SET search_path TO a; SET work_mem = 1", "search_path work_mem");
    check_settings("SET sort_mem = 1; RESET vacuum_mem", "work_mem maintenance_work_mem");
}

static void words_of_the_grammar_may_be_names(void **state)
{
    (void)state;
    check_settings("SET local.x = 1", "local.x");
    check_settings("SET session.x = 1", "session.x");
    check_settings("SET SESSION local.x = 1", "local.x");
    check_settings("SET SESSION session.x = 1", "session.x");
    check_settings("SET time.x = 1", "time.x");
    check_settings("SET transaction.x TO 1", "transaction.x");
    check_settings("SET \"local\" = b", "local");
    check_settings("SET role = x", "role");
    check_settings("SET role TO x", "role");
    check_settings("SET session = 1", "session");
    check_settings("RESET session", "session");
    check_settings("RESET transaction.x", "transaction.x");
}

static void special_spellings_of_set(void **state)
{
    (void)state;
    check_settings_of("timezone", "SET TIME ZONE 'x'", "set session time zone interval '1' hour to minute",
                      "SET TIME ZONE LOCAL", "SET timezone = 1", "RESET TIME ZONE");
    check_settings_of("client_encoding", "SET NAMES 'x'", "SET NAMES", "SET SESSION NAMES DEFAULT");
    check_settings_of("role", "SET ROLE x", "SET SESSION ROLE \"x\"", "SET ROLE NONE", "RESET ROLE");
    check_settings_of("session_authorization role", "SET SESSION AUTHORIZATION x",
                      "SET SESSION SESSION AUTHORIZATION 'x'", "SET SESSION AUTHORIZATION DEFAULT",
                      "SET session_authorization = x", "RESET SESSION AUTHORIZATION",
                      "RESET session_authorization",
                      "SELECT set_config('session_authorization', 'x', false)");
    check_settings_of("default_transaction_read_only", "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
                      "SET SESSION CHARACTERISTICS AS TRANSACTION Read Write; SELECT 1");
    check_settings_of(
        "default_transaction_isolation default_transaction_deferrable",
        "set session session characteristics as transaction isolation level read committed, not "
        "deferrable");
    check_settings_of("xmloption", "SET XML OPTION DOCUMENT", "SET xmloption = content");
    check_settings_of("search_path", "SET SCHEMA 'x'", "SET SESSION SCHEMA 'x'");
    check_settings("RESET TRANSACTION ISOLATION LEVEL", "transaction_isolation");
    check_settings("SELECT set_limit(0.5)", "pg_trgm.similarity_threshold");
    check_suspects(PIN_BIT(SEED), "SET SEED TO 0.5", "SET SESSION seed = 1",
                   "SELECT set_config('seed', '1', false)");
}

static void what_ends_with_the_transaction_is_no_setting(void **state)
{
    (void)state;
    check_settings_of("", "SET LOCAL a = b", "set local role x", "SET LOCAL app.x TO 1",
                      "SET LOCAL TIME ZONE 'x'",
                      "SET LOCAL SESSION AUTHORIZATION x",
                      "SET LOCAL SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
                      "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SET SESSION TRANSACTION READ ONLY",
                      "SET LOCAL TRANSACTION READ ONLY", "SET CONSTRAINTS ALL DEFERRED",
                      "SELECT set_config('a', 'b', true)", "SELECT set_config($1, $2, true)",
                      "SELECT pg_catalog.set_config('a', $1, TRUE), set_config($2, coalesce(x, (y)), true)",
                      "UPDATE t SET a = 1", "UPDATE t SET \"set\" = 2, reset = 3", "ALTER ROLE a SET x = y",
                      "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET a = b AS 'SELECT 1'",
                      "INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 1",
                      "SELECT set, reset FROM t",
                      "SELECT * FROM pg_settings", "UPDATE t SET a = 1; SELECT * FROM pg_settings",
                      "SHOW a", "SELECT 'set_config(1)'", "SELECT 1 -- set_config(\n",
                      "SELECT 1 /* ; SET a = b */",
                      "SELECT $$; SET a = b; $$", "SELECT \"a; SET b = c\" FROM t",
                      "SELECT ';', 'a''; SET b = c'",
                      "SELECT E'\\'; SET a = b; --'", "SELECT $x$ ; $$ ; SET a = b $x$");
}

static void returning_to_a_default_is_told(void **state)
{
    (void)state;
    check_fact(settings_reset, true, "RESET a", "RESET ALL", "DISCARD ALL", "SET a = DEFAULT",
               "SET a.b TO default",
               "SET TIME ZONE DEFAULT", "SET TIME ZONE LOCAL", "SET NAMES", "SET NAMES DEFAULT", "RESET ROLE",
               "SET SESSION AUTHORIZATION DEFAULT", "SET b = 1; RESET a", "RESET TIME ZONE");
    check_fact(settings_reset, false, "SET a = 'default'", "SET TIME ZONE 'x'", "SET NAMES 'x'",
               "SET a FROM CURRENT",
               "DISCARD PLANS", "SET ROLE NONE", "SELECT reset");
    check_fact(settings_all, true, "RESET ALL", "DISCARD ALL", "reset /* x */ all;");
    check_fact(settings_all, false, "RESET \"all\"", "RESET a", "DISCARD TEMP", "SET a = 1");
    check_suspects(PIN_BIT(SETTING), "RESET ALL", "DISCARD ALL");
}

static void set_config_names_its_setting(void **state)
{
    (void)state;
    check_settings_of("a", "SELECT set_config('a', 'b', false)", "SELECT SET_CONFIG('A', 'b', $1)",
                      "SELECT pg_catalog.set_config('a', '', false)",
                      "SELECT \"set_config\"('a', 'b', false)",
                      "SELECT set_config /* x */ ( 'a' , 'b', false)",
                      "SELECT set_config('a', 'b', not true)",
                      "SELECT set_config('a', 'b', false or true)", "SELECT set_config('a', 'b', (true))",
                      "SELECT set_config('a', 'b', \"true\")", "SELECT set_config('a', 'b', 'true')",
                      "SELECT set_config('a', 'b', x,true+1)",
                      "INSERT INTO t SELECT set_config('a', 'b', false)",
                      "SELECT set_config('a'::text, 'b', false)",
                      "SELECT set_config('b', 'b', true), set_config('a', 'b', false)",
                      "SELECT set_config('a', 'b', true",
                      "WITH x AS (SELECT set_config('a', 'b', false)) SELECT 1",
                      "PREPARE_ME; SELECT set_config('a', 'b', is_local => true)");
    check_settings("SELECT set_config('app.x', set_config('b', 'c', true), false)", "app.x b");
    check_settings("SELECT set_config('a', set_config('b', 'c', false), true)", "b");
}

static void computed_names_may_be_any(void **state)
{
    static const char *const texts[] = {
        "SELECT set_config(name, 'b', false) FROM t", "SELECT set_config('a' || 'b', 'c', false)",
        "SELECT set_config('a''b', 'c', false)", "SELECT set_config(E'a', 'b', false)",
        "SELECT set_config($$a$$, 'b', false)", "SELECT set_config('a'\n'b', 'c', false)",
        "SELECT set_config(setting_name => 'a', new_value => 'b', is_local => false)", "SELECT set_config",
        "SELECT set_config(", "SELECT set_config; SELECT 1", "CREATE AGGREGATE x (SFUNC = set_config)",
        "SELECT set_config($1 || $2, 'b', false)", "SELECT set_config(concat('a', true), 'b', false)",
        "SELECT set_config('a'::name, 'b', false)",
        "SELECT set_config($1, '', false), set_config($2, '', false)",
        "SELECT set_config($0, '', false)", "SELECT set_config($99999999999999999999, '', false)",
        "SET U&\"a\" = 1"};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct statement_facts facts = classify(texts[i]);

        check_found(texts[i], &facts, PIN_BIT(SETTING) | PIN_BIT(UNKNOWN_SETTING)
                    | (strstr(texts[i], "U&") == NULL ? 0 : PIN_BIT(ANYTHING)));
        assert_true(facts.settings_all);
    }
}

static void a_parameter_may_be_the_name(void **state)
{
    struct statement_facts facts = classify("SELECT set_config($12, $2, false)");

    (void)state;
    check_found("parameter", &facts, PIN_BIT(SETTING));
    assert_int_equal(facts.setting_parameter, 12);
    assert_false(facts.settings_all);
    facts = classify("SELECT set_config($1::text, $2, $3), set_config($1, $2, false), "
                     "set_config('a', $2, false)");
    check_found("the same twice", &facts, PIN_BIT(SETTING));
    assert_int_equal(facts.setting_parameter, 1);
    check_names("the same twice", &facts.settings, "a");
}

static void an_update_of_the_view_may_change_all_that_it_shows(void **state)
{
    (void)state;
    check_suspects(PIN_BIT(SETTING), "UPDATE pg_settings SET setting = 'x' WHERE name = 'y'",
                   "UPDATE ONLY pg_catalog.\"pg_settings\" SET setting='x'",
                   "WITH x AS (UPDATE pg_settings SET setting = 1) SELECT 1");
    check_fact(settings_all, true, "UPDATE pg_settings SET setting = 'x'");
}

static void names_that_do_not_fit_are_all_asked_for(void **state)
{
    char text[200] = "SET ";
    struct statement_facts facts = classify("SET a=1; SET b=1; SET c=1; SET d=1; SET a=1");

    (void)state;
    check_names("four", &facts.settings, "a b c d");
    assert_false(facts.settings_all);
    facts = classify("SET a=1; SET b=1; SET c=1; SET d=1; SET e=1");
    assert_true(facts.settings_all);
    check_found("five", &facts, PIN_BIT(SETTING));
    facts = classify("SET a=1; SET b=1; SET c=1; SET d=1; SET e.f=1");
    check_found("five, one of them its own", &facts, PIN_BIT(SETTING) | PIN_BIT(UNKNOWN_SETTING));
    memset(text + 4, 'x', 63);
    strcpy(text + 67, " = 1");
    assert_int_equal(strlen(classify(text).settings.names[0]), 63);
    text[10] = '.';
    memset(text + 67, 'y', 2);
    strcpy(text + 69, " = 1");
    facts = classify(text);
    assert_int_equal(facts.settings.count, 0);
    check_found("long", &facts, PIN_BIT(SETTING) | PIN_BIT(UNKNOWN_SETTING));
    memset(text, 0, sizeof text);
    strcpy(text, "SELECT set_config('");
    memset(text + strlen(text), 'x', 64);
    strcat(text, "', '', false)");
    facts = classify(text);
    check_found("long", &facts, PIN_BIT(SETTING));
    assert_true(facts.settings_all);
}

static void backslashes_follow_the_setting(void **state)
{
    static const char hidden[] = "SELECT '\\'; SET a = b; --'";
    struct statement_facts facts = classify_as(hidden, true, NULL);

    (void)state;
    check_found(hidden, &facts, PIN_BIT(SETTING));
    facts = classify_as(hidden, false, NULL);
    check_found(hidden, &facts, 0);
    facts = classify_as("SELECT set_config('a\\142', '', false)", false, NULL);
    assert_true(facts.settings_all);
    facts = classify_as("SELECT N'\\'; SET a = b; --'", false, NULL);
    check_found("national", &facts, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_names_its_setting),
        cmocka_unit_test(words_of_the_grammar_may_be_names),
        cmocka_unit_test(special_spellings_of_set),
        cmocka_unit_test(what_ends_with_the_transaction_is_no_setting),
        cmocka_unit_test(returning_to_a_default_is_told),
        cmocka_unit_test(set_config_names_its_setting),
        cmocka_unit_test(computed_names_may_be_any),
        cmocka_unit_test(a_parameter_may_be_the_name),
        cmocka_unit_test(an_update_of_the_view_may_change_all_that_it_shows),
        cmocka_unit_test(names_that_do_not_fit_are_all_asked_for),
        cmocka_unit_test(backslashes_follow_the_setting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
