/* SPDX-License-Identifier: PostgreSQL
 * test_statement - what raises a suspicion, what must not, and that no cost is hidden in either. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "gateway/session/statement.h"

static struct statement_facts classify(const char *text)
{
    struct statement_facts facts;
    size_t length = strlen(text);
    char *exact = malloc(length + 1);

    memcpy(exact, text, length);
    statement_classify(exact, length, true, &facts);
    free(exact);
    return facts;
}

static void check_pin(const char *text, enum pin_reason pin)
{
    struct statement_facts facts = classify(text);

    if (facts.pin != pin)
        print_error("pin %d for: %s\n", (int)facts.pin, text);
    assert_int_equal(facts.pin, pin);
}

#define check_pins(pin, ...) \
    do { \
        const char *const texts[] = { __VA_ARGS__ }; \
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) \
            check_pin(texts[i], (pin)); \
    } while (0)

static void ordinary_statements_raise_nothing(void **state)
{
    (void)state;
    check_pins(
        PIN_NONE, "", ";", " ; ;", "SELECT 1", "select * from pgbench_accounts where aid = 1;",
        "UPDATE t SET a = 1, \"set\" = 2", "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING",
        "INSERT INTO t (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET a = excluded.a",
        "INSERT INTO temp VALUES (1)", "MERGE INTO temp USING s ON true WHEN MATCHED THEN DO NOTHING",
        "BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT a", "START TRANSACTION READ ONLY",
        "SELECT set, reset, load, listen FROM t", "SELECT nextval('s')", "NOTIFY x",
        "PREPARE TRANSACTION 'x'", "COMMIT PREPARED 'x'", "LOCK TABLE t", "EXECUTE p(1)", "DEALLOCATE p",
        "DEALLOCATE ALL", "DISCARD TEMP", "DISCARD PLANS", "DISCARD SEQUENCES", "CLOSE ALL",
        "RESET a", "RESET ALL", "reset session authorization", "DISCARD ALL", "UNLISTEN *",
        "DECLARE c CURSOR FOR SELECT 1", "DECLARE c CURSOR WITHOUT HOLD FOR SELECT 1",
        "SELECT 'set_config(1)'", "SELECT 1 -- set_config(\n", "SELECT 1 /* ; SET a = b */",
        "SELECT $$; SET a = b; $$", "SELECT $x$ pg_advisory_lock(1) $x$", "SELECT \"a; SET b = c\" FROM t",
        "EXPLAIN UPDATE t SET a = 1", "WITH x AS (SELECT 1) SELECT * FROM x", "FETCH ALL FROM c",
        "CREATE TABLE temporary_things (a int)", "DROP TABLE t", "ALTER ROLE a SET x = y", "SHOW search_path",
        "SELECT current_setting('a')", "(SELECT 1) UNION (SELECT 2)", "SELECT pg_advisory_unlock_all()",
        "SELECT * FROM pg_settings", "VACUUM t", "COPY t FROM STDIN");
}

static void what_ends_with_the_transaction_raises_nothing(void **state)
{
    (void)state;
    check_pins(PIN_NONE, "SET LOCAL a = b", "set local role x",
               "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SET CONSTRAINTS ALL DEFERRED",
               "SELECT set_config('a', 'b', true)",
               "SELECT pg_catalog.set_config('a', $1, TRUE), set_config($2, coalesce(x, (y)), true)",
               "SELECT pg_advisory_xact_lock(1)", "SELECT pg_try_advisory_xact_lock(1)",
               "SELECT pg_advisory_xact_lock_shared(1)");
}

static void changed_settings(void **state)
{
    (void)state;
    check_pins(PIN_SETTING, "SET a = b", "set search_path to x", " ; SET a TO b", "SELECT 1; SET a = b",
               "/* x */ SET a = b", "-- x\nSET a = b", "SET SESSION a = b", "SET \"local\" = b",
               "SET TIME ZONE 'x'", "SET ROLE x", "SET SESSION AUTHORIZATION x",
               "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "RESET a; SET b = 1",
               "BEGIN; SET a = b; COMMIT",
               "UPDATE pg_settings SET setting = 'x' WHERE name = 'y'",
               "UPDATE pg_catalog.pg_settings SET setting='x'", "SELECT set_limit(0.5)");
}

static void calls_of_set_config_that_last(void **state)
{
    (void)state;
    check_pins(
        PIN_SETTING, "SELECT set_config('a', 'b', false)", "SELECT SET_CONFIG('a', 'b', $1)",
        "SELECT pg_catalog.set_config('search_path', '', false)", "SELECT \"set_config\"('a', 'b', false)",
        "SELECT set_config /* x */ ('a', 'b', false)", "SELECT set_config('a', 'b', not true)",
        "SELECT set_config('a', 'b', false or true)", "SELECT set_config('a', 'b', (true))",
        "SELECT set_config('a', 'b', \"true\")", "SELECT set_config('a', 'b', 'true')",
        "SELECT set_config('a', set_config('b', 'c', false), true)",
        "SELECT set_config('a', 'b', true), set_config('a', 'b', false)", "SELECT set_config",
        "SELECT set_config(", "SELECT set_config('a', 'b', true", "SELECT set_config; SELECT 1",
        "CREATE AGGREGATE x (SFUNC = set_config)",
        "SELECT set_config(setting_name => 'a', new_value => 'b', is_local => false)",
        "INSERT INTO t SELECT set_config('a', 'b', false)", "SELECT 'a', set_config('a','b',x,true+1)");
}

static void other_state_of_a_session(void **state)
{
    (void)state;
    check_pins(PIN_PREPARE, "PREPARE p AS SELECT 1", "prepare \"transaction\" as select 1",
               "PREPARE p (int) AS SELECT $1");
    check_pins(PIN_LISTEN, "LISTEN x", "SELECT 1; listen \"x\"");
    check_pins(PIN_LOAD, "LOAD 'x'");
    check_pins(PIN_HOLD_CURSOR, "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
               "DECLARE \"c\" BINARY INSENSITIVE NO SCROLL CURSOR WITH /* x */ HOLD FOR SELECT 1");
    check_pins(PIN_ADVISORY_LOCK, "SELECT pg_advisory_lock(1)", "SELECT pg_try_advisory_lock(1, 2)",
               "SELECT pg_catalog.PG_ADVISORY_LOCK_SHARED(1)", "SELECT \"pg_try_advisory_lock_shared\"(1)");
    check_pins(PIN_CURRVAL, "SELECT currval('s')", "SELECT lastval()",
               "INSERT INTO t VALUES (pg_catalog.currval('s'))");
    check_pins(PIN_SEQUENCE, "SELECT setval('s', 1)");
    check_pins(PIN_SEED, "SELECT setseed(0.5)");
    check_pins(PIN_DBLINK, "SELECT dblink_connect('x')", "SELECT public.dblink_connect_u('x', 'y')");
    check_pins(PIN_BACKUP, "SELECT pg_backup_start('x')", "SELECT * FROM pg_start_backup('x', false, false)");
    check_pins(PIN_SNAPSHOT, "SELECT pg_export_snapshot()", "SET TRANSACTION SNAPSHOT '1'");
    check_pins(PIN_SLOT, "SELECT pg_create_physical_replication_slot('x')",
               "SELECT pg_create_logical_replication_slot('x', 'y')",
               "SELECT pg_copy_logical_replication_slot('x', 'y')",
               "SELECT pg_copy_physical_replication_slot('x', 'y')");
    check_pins(PIN_ANONYMOUS_CODE, "DO $$ BEGIN END $$", "DO LANGUAGE plpgsql 'BEGIN END'", "CALL p()",
               "SELECT U&\"set\\005fconfig\"('a', 'b', false)");
    check_pins(PIN_SETTING, "SELECT pg_replication_origin_session_setup('x')");
}

static void temporary_objects(void **state)
{
    (void)state;
    check_pins(
        PIN_TEMPORARY, "CREATE TEMP TABLE t (a int)", "create temporary table t as select 1",
        "CREATE LOCAL TEMP TABLE t (a int)", "CREATE GLOBAL TEMPORARY TABLE t (a int)",
        "CREATE OR REPLACE TEMP VIEW v AS SELECT 1", "CREATE TEMP RECURSIVE VIEW v (a) AS SELECT 1",
        "CREATE TEMP SEQUENCE s", "SELECT 1 INTO TEMP t", "SELECT a INTO TEMPORARY TABLE t FROM x",
        "SELECT INTO LOCAL TEMP t FROM x", "WITH x AS (INSERT INTO temp VALUES (1)) SELECT 1 INTO TEMP t",
        "CREATE TABLE pg_temp.t (a int)",
        "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "SELECT * FROM \"pg_temp\".t",
        "DROP TABLE pg_temp_12.t", "EXPLAIN ANALYZE CREATE TEMP TABLE t AS SELECT 1",
        "EXPLAIN (ANALYZE, COSTS OFF) CREATE TEMP TABLE t AS SELECT 1");
    check_pins(PIN_NONE, "CREATE TABLE temp (a int)", "SELECT temp FROM t",
               "CREATE UNLOGGED TABLE temp (a int)", "SELECT 1 INTO t FROM temp",
               "CREATE INDEX temp ON temporary (a)", "SELECT 1 INTO \"temp\"", "SELECT pg_temperature FROM t",
               "CREATE (TEMP");
}

static void the_heaviest_suspicion_counts(void **state)
{
    (void)state;
    check_pin("SET a = b; CREATE TEMP TABLE t (a int)", PIN_TEMPORARY);
    check_pin("CREATE TEMP TABLE t (a int); SET a = b", PIN_TEMPORARY);
    check_pin("CREATE TEMP TABLE t (a int); SELECT pg_advisory_lock(1)", PIN_TEMPORARY);
    check_pin("CREATE TEMP TABLE t (a int); SELECT pg_export_snapshot()", PIN_SNAPSHOT);
}

static void backslashes_follow_the_setting(void **state)
{
    static const char text[] = "SELECT '\\'; SET a = b; --'";
    struct statement_facts facts;

    (void)state;
    statement_classify(text, sizeof text - 1, true, &facts);
    assert_int_equal(facts.pin, PIN_SETTING);
    statement_classify(text, sizeof text - 1, false, &facts);
    assert_int_equal(facts.pin, PIN_NONE);
}

static void several_statements_are_told_from_one(void **state)
{
    (void)state;
    assert_false(classify("SELECT 1").many);
    assert_false(classify("SELECT 1;").many);
    assert_false(classify(";;SELECT 1;; -- x").many);
    assert_false(classify("SELECT ';' || $$;$$").many);
    assert_true(classify("SELECT 1; SELECT 2").many);
    assert_true(classify("SELECT 1;;; SELECT 2;").many);
    assert_true(classify("SELECT 1; 'x'").many);
}

static void transaction_blocks_are_seen(void **state)
{
    (void)state;
    assert_true(classify("BEGIN").transaction_block);
    assert_true(classify("SELECT 1; begin work").transaction_block);
    assert_true(classify("START TRANSACTION").transaction_block);
    assert_false(classify("START").transaction_block);
    assert_false(classify("SELECT begin FROM start").transaction_block);
    assert_false(classify("\"begin\"").transaction_block);
}

static void barriers_are_seen(void **state)
{
    (void)state;
    assert_true(classify("DEALLOCATE p").barrier);
    assert_true(classify("deallocate all").barrier);
    assert_true(classify("SELECT 1; DISCARD ALL").barrier);
    assert_false(classify("SELECT discard FROM t").barrier);
}

static void changes_of_types_are_seen(void **state)
{
    static const char *const changes[] = { "CREATE TABLE t ()",
                                           "alter table t add a int",
                                           "DROP TABLE t",
                                           "SELECT 1 INTO t",
                                           "IMPORT FOREIGN SCHEMA a FROM SERVER b INTO c",
                                           "BEGIN; DROP TABLE t",
                                           "EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1",
                                           "DO 'x'",
                                           "CALL p()" };
    static const char *const others[] = { "SELECT 1",        "INSERT INTO t VALUES (1)", "TRUNCATE t",
                                          "GRANT a TO b",    "SELECT alter FROM drop",   "UPDATE t SET a = 1",
                                          "COPY t TO STDOUT" };

    (void)state;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        assert_true(classify(changes[i]).ddl);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(classify(others[i]).ddl);
}

static void copies_from_the_client_are_seen(void **state)
{
    (void)state;
    assert_true(classify("COPY t FROM STDIN").copy_from_stdin);
    assert_true(classify("copy binary t (a, b) from stdin with (format csv)").copy_from_stdin);
    assert_true(classify("COPY t FROM STDOUT").copy_from_stdin);
    assert_false(classify("COPY t TO STDOUT").copy_from_stdin);
    assert_false(classify("COPY t FROM 'stdin'").copy_from_stdin);
    assert_false(classify("COPY (SELECT * FROM stdin) TO STDOUT").copy_from_stdin);
    assert_false(classify("SELECT * FROM stdin").copy_from_stdin);
}

static void check_deallocate(const char *text, const char *expected)
{
    char name[64];
    bool is = statement_is_deallocate(text, strlen(text), name, sizeof name);

    assert_int_equal(is, expected != NULL);
    if (is)
        assert_string_equal(name, expected);
}

static void deallocate_names_its_statement(void **state)
{
    (void)state;
    check_deallocate("DEALLOCATE p1", "p1");
    check_deallocate(" deallocate /* x */ PREPARE My_Statement ; ;", "my_statement");
    check_deallocate("DEALLOCATE \"My \"\"x\"\"\"", "My \"x\"");
    check_deallocate("DEALLOCATE prepare", "prepare");
    check_deallocate("DEALLOCATE \"all\"", "all");
    check_deallocate("DEALLOCATE PREPARE \"all\"", "all");
    check_deallocate("DEALLOCATE ALL", NULL);
    check_deallocate("DEALLOCATE PREPARE all", NULL);
    check_deallocate("DEALLOCATE", NULL);
    check_deallocate("DEALLOCATE \"\"", NULL);
    check_deallocate("DEALLOCATE a b", NULL);
    check_deallocate("DEALLOCATE a; SELECT 1", NULL);
    check_deallocate("DEALLOCATE 'a'", NULL);
    check_deallocate("DEALLOCATE U&\"a\"", NULL);
    check_deallocate("SELECT 1", NULL);
    check_deallocate("\"deallocate\" a", NULL);
    check_deallocate("", NULL);
}

static void names_in_deallocate_are_cut_as_the_server_cuts_them(void **state)
{
    char text[200], name[64], small[10];

    (void)state;
    strcpy(text, "DEALLOCATE ");
    memset(text + 11, 'x', 100);
    text[111] = '\0';
    assert_true(statement_is_deallocate(text, 111, name, sizeof name));
    assert_int_equal(strlen(name), 63);
    memcpy(text + 11 + 61, "\xe2\x82\xac", 3);
    assert_true(statement_is_deallocate(text, 111, name, sizeof name));
    assert_int_equal(strlen(name), 61);
    assert_false(statement_is_deallocate("DEALLOCATE abcdefghij", 21, small, sizeof small));
    assert_true(statement_is_deallocate("DEALLOCATE abcdefghi", 20, small, sizeof small));
}

/* Much of whatever could make a lexer look again and again. */
static void hostile_texts_take_linear_time(void **state)
{
    static const char *const pieces[] = { "set_config(", "'a'\n", "/*",   "$a",       "$a$ $b$",
                                          "\"\"",        "(",     "E'\\", "--",       ";",
                                          "'a' --",      "u&",    "1e+",  "pg_temp_", ")" };
    enum { BYTES = 1 << 18 };
    char *text = malloc(BYTES);

    (void)state;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        size_t length = strlen(pieces[i]);
        struct statement_facts facts;
        clock_t start = clock(); /* of the processor: a busy machine does not matter */

        for (size_t at = 0; at < BYTES; at++)
            text[at] = pieces[i][at % length];
        statement_classify(text, BYTES, true, &facts);
        statement_classify(text, BYTES, false, &facts);
        assert_true(clock() - start < CLOCKS_PER_SEC);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ordinary_statements_raise_nothing),
        cmocka_unit_test(what_ends_with_the_transaction_raises_nothing),
        cmocka_unit_test(changed_settings),
        cmocka_unit_test(calls_of_set_config_that_last),
        cmocka_unit_test(other_state_of_a_session),
        cmocka_unit_test(temporary_objects),
        cmocka_unit_test(the_heaviest_suspicion_counts),
        cmocka_unit_test(backslashes_follow_the_setting),
        cmocka_unit_test(several_statements_are_told_from_one),
        cmocka_unit_test(transaction_blocks_are_seen),
        cmocka_unit_test(barriers_are_seen),
        cmocka_unit_test(changes_of_types_are_seen),
        cmocka_unit_test(copies_from_the_client_are_seen),
        cmocka_unit_test(deallocate_names_its_statement),
        cmocka_unit_test(names_in_deallocate_are_cut_as_the_server_cuts_them),
        cmocka_unit_test(hostile_texts_take_linear_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
