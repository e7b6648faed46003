/* SPDX-License-Identifier: PostgreSQL
 * test_statement - what raises a suspicion, what must not, and that no cost is hidden in either. */
#include "tests/unit/statement_scene.h"

#include <strings.h>
#include <time.h>

/* What a database's catalogs could say. */
struct routines {
    size_t count;
    const struct routine *rows;
};

bool routines_empty(const struct routines *routines)
{
    return routines->count == 0;
}

const struct routine *routines_find(const struct routines *routines, const char *name, size_t length)
{
    for (size_t i = 0; i < routines->count; i++) {
        const struct routine *row = &routines->rows[i];

        if (strlen(row->name) == length && strncasecmp(row->name, name, length) == 0)
            return row;
    }
    return NULL;
}

static void ordinary_statements_raise_nothing(void **state)
{
    (void)state;
    check_suspects(0, "", ";", " ; ;", "SELECT 1", "select * from pgbench_accounts where aid = 1;",
                   "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING", "INSERT INTO temp VALUES (1)",
                   "MERGE INTO temp USING s ON true WHEN MATCHED THEN DO NOTHING", "BEGIN", "COMMIT",
                   "ROLLBACK",
                   "SAVEPOINT a", "START TRANSACTION READ ONLY", "SELECT set, reset, load, listen FROM t",
                   "SELECT nextval('s'), setval('s', 1)", "NOTIFY x", "SELECT pg_notify('a', 'b')",
                   "PREPARE TRANSACTION 'x'", "COMMIT PREPARED 'x'", "LOCK TABLE t", "EXECUTE p(1)",
                   "DEALLOCATE p",
                   "DEALLOCATE ALL", "DISCARD TEMP", "DISCARD PLANS", "DISCARD SEQUENCES", "CLOSE ALL",
                   "DECLARE c CURSOR FOR SELECT 1", "DECLARE c CURSOR WITHOUT HOLD FOR SELECT 1",
                   "DECLARE c CURSOR FOR WITH hold AS (SELECT 1) SELECT 1",
                   "SELECT $x$ pg_advisory_lock(1) $x$",
                   "EXPLAIN UPDATE t SET a = 1", "WITH x AS (SELECT 1) SELECT * FROM x", "FETCH ALL FROM c",
                   "CREATE TABLE temporary_things (a int)", "DROP TABLE t", "SHOW search_path",
                   "SELECT current_setting('a')", "(SELECT 1) UNION (SELECT 2)", "VACUUM t",
                   "COPY t FROM STDIN",
                   "SELECT pg_advisory_xact_lock(1)", "SELECT pg_try_advisory_xact_lock(1)",
                   "SELECT pg_advisory_xact_lock_shared(1)",
                   "SELECT * FROM pg_locks WHERE pid = pg_backend_pid()",
                   "SELECT pg_listening_channels()", "SELECT * FROM pg_prepared_statements",
                   "/* x */\"a;\" b", "SELECT/**/\"a\"\"; SET b = c\"",
                   "SELECT a FROM t WHERE b = 1.5e-3 AND c<-1 AND d/2 > $1 -- x",
                   "SELECT u & x, e'\\'' FROM t",
                   "\"listen\" x", "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT lastval()'");
}

static void other_state_of_a_session(void **state)
{
    (void)state;
    check_suspects(PIN_BIT(PREPARE), "PREPARE p AS SELECT 1", "prepare \"transaction\" as select 1",
                   "PREPARE p (int) AS SELECT $1", "PREPARE transaction AS SELECT 1");
    check_suspects(PIN_BIT(LISTEN), "LISTEN x", "SELECT 1; listen \"x\"", "UNLISTEN *", "UNLISTEN x");
    check_suspects(PIN_BIT(LOAD), "LOAD 'x'");
    check_suspects(PIN_BIT(HOLD_CURSOR), "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
                   "DECLARE \"c\" BINARY INSENSITIVE NO SCROLL CURSOR WITH /* x */ HOLD FOR SELECT 1");
    check_suspects(PIN_BIT(ADVISORY_LOCK), "SELECT pg_advisory_lock(1)", "SELECT pg_try_advisory_lock(1, 2)",
                   "SELECT pg_catalog.PG_ADVISORY_LOCK_SHARED(1)",
                   "SELECT \"pg_try_advisory_lock_shared\"(1)",
                   "SELECT pg_advisory_unlock(1)", "SELECT pg_advisory_unlock_shared(1)",
                   "SELECT pg_advisory_unlock_all()");
    check_suspects(PIN_BIT(SEQUENCE), "SELECT currval('s')", "SELECT lastval()",
                   "INSERT INTO t VALUES (pg_catalog.currval('s'))");
    check_suspects(PIN_BIT(SEED), "SELECT setseed(0.5)");
    check_suspects(PIN_BIT(DBLINK), "SELECT dblink_connect('x')", "SELECT public.dblink_connect_u('x', 'y')",
                   "SELECT dblink_disconnect()");
    check_suspects(PIN_BIT(STATISTICS), "SELECT pg_stat_force_next_flush()",
                   "SELECT 1 < extract(epoch FROM pg_catalog.pg_stat_get_snapshot_timestamp())");
    check_suspects(PIN_BIT(BACKUP), "SELECT pg_backup_start('x')",
                   "SELECT * FROM pg_start_backup('x', false, false)");
    check_suspects(PIN_BIT(SNAPSHOT), "SELECT pg_export_snapshot()", "SET TRANSACTION SNAPSHOT '1'",
                   "SET LOCAL TRANSACTION SNAPSHOT '1'", "SET SESSION TRANSACTION SNAPSHOT '1'");
    check_suspects(PIN_BIT(SLOT), "SELECT pg_create_physical_replication_slot('x')",
                   "SELECT pg_create_logical_replication_slot('x', 'y')",
                   "SELECT pg_copy_logical_replication_slot('x', 'y')",
                   "SELECT pg_copy_physical_replication_slot('x', 'y')");
    check_suspects(PIN_BIT(ORIGIN), "SELECT pg_replication_origin_session_setup('x')");
    check_suspects(PIN_BIT(ANYTHING), "CALL p()", "SELECT U&\"set\\005fconfig\"('a', 'b', false)",
                   "SELECT /* x */U&\"a; SET b = c\"",
                   "SELECT query_to_xml('SELECT 1', true, true, '')",
                   "SELECT * FROM ts_stat('SELECT x FROM y')");
    check_suspects(PIN_BIT(LISTEN) | PIN_BIT(SETTING) | PIN_BIT(TEMPORARY),
                   "SET a = b; CREATE TEMP TABLE t (a int); LISTEN x");
}

static void temporary_objects(void **state)
{
    (void)state;
    check_suspects(
        PIN_BIT(TEMPORARY), "CREATE TEMP TABLE t (a int)", "create temporary table t as select 1",
        "CREATE LOCAL TEMP TABLE t (a int)", "CREATE GLOBAL TEMPORARY TABLE t (a int)",
        "CREATE OR REPLACE TEMP VIEW v AS SELECT 1", "CREATE TEMP RECURSIVE VIEW v (a) AS SELECT 1",
        "CREATE TEMP SEQUENCE s", "SELECT 1 INTO TEMP t", "SELECT a INTO TEMPORARY TABLE t FROM x",
        "SELECT INTO LOCAL TEMP t FROM x", "WITH x AS (INSERT INTO temp VALUES (1)) SELECT 1 INTO TEMP t",
        "CREATE TABLE pg_temp.t (a int)", "SELECT 1 INTO\n--x\nTEMP t",
        "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "SELECT * FROM \"pg_temp\".t",
        "SELECT 1e5INTO TEMP t",
        "SELECT 1.e-5INTO TEMP t", "SELECT 1INTO TEMP t", "SELECT $1INTO TEMP t",
        "DROP TABLE pg_temp_12.t", "EXPLAIN ANALYZE CREATE TEMP TABLE t AS SELECT 1",
        "EXPLAIN (ANALYZE, COSTS OFF) CREATE TEMP TABLE t AS SELECT 1");
    check_suspects(0, "CREATE TABLE temp (a int)", "SELECT temp FROM t", "CREATE UNLOGGED TABLE temp (a int)",
                   "SELECT 1 INTO t FROM temp", "CREATE INDEX temp ON temporary (a)",
                   "SELECT 1 INTO \"temp\"",
                   "SELECT pg_temperature FROM t", "CREATE (TEMP", "SELECT pg_toast_temp FROM t");
}

static void asking_for_the_process_alone_counts(void **state)
{
    (void)state;
    check_suspects(PIN_BIT(BACKEND_PID), "SELECT pg_backend_pid()", "select pg_catalog.pg_backend_pid();",
                   "SELECT pg_backend_pid ( ) AS \"pid\"", "/* x */SELECT/* x */pg_backend_pid() pid ;",
                   "BEGIN; SELECT pg_backend_pid(); COMMIT", "SELECT \"pg_backend_pid\"()");
    check_suspects(0, "SELECT pg_backend_pid(), 1", "SELECT 1, pg_backend_pid()",
                   "SELECT pg_backend_pid() = 1",
                   "SELECT pg_terminate_backend(pg_backend_pid())", "SELECT pg_backend_pid() FROM t",
                   "SELECT * FROM pg_stat_activity WHERE pid <> pg_backend_pid()", "SELECT pg_backend_pid",
                   "SELECT 'pg_backend_pid()'", "SELECT a AS pg_backend_pid FROM t");
}

static void prepared_statements_and_channels_are_told(void **state)
{
    (void)state;
    check_fact(executes, true, "PREPARE p AS SELECT 1", "EXECUTE p", "execute p(1, 2)", "EXPLAIN EXECUTE p",
               "EXPLAIN ANALYZE VERBOSE EXECUTE p", "EXPLAIN (ANALYZE, COSTS OFF) EXECUTE p(1)",
               "DEALLOCATE p",
               "CREATE TABLE t AS EXECUTE p", "CREATE TEMP TABLE IF NOT EXISTS t (a, b) AS EXECUTE p(1)",
               "EXPLAIN ANALYZE CREATE TABLE t AS EXECUTE p", "DEALLOCATE ALL");
    check_fact(executes, false, "PREPARE TRANSACTION 'x'", "GRANT EXECUTE ON FUNCTION f() TO x",
               "SELECT execute",
               "CREATE TRIGGER a BEFORE INSERT ON t EXECUTE FUNCTION f()", "EXPLAIN SELECT 1",
               "SELECT 1 AS execute");
    check_fact(discards, true, "DISCARD ALL", "DISCARD PLANS", "DEALLOCATE ALL", "DEALLOCATE PREPARE ALL");
    check_fact(discards, false, "DEALLOCATE p", "DEALLOCATE \"all\"", "SELECT discard");
    check_fact(listens, true, "LISTEN x", "UNLISTEN *", "SELECT 1; LISTEN x");
    check_fact(listens, false, "SELECT listen", "NOTIFY x", "\"listen\"");
    check_fact(notifies, true, "NOTIFY x", "NOTIFY x, 'y'", "SELECT pg_notify('x', 'y')",
               "SELECT pg_catalog.\"pg_notify\"('x', 'y')");
    check_fact(notifies, false, "SELECT notify", "LISTEN x", "SELECT 'pg_notify()'");
    check_fact(asks_listening, true, "SELECT pg_listening_channels()");
    check_fact(asks_prepared, true, "SELECT * FROM pg_prepared_statements", "SELECT pg_prepared_statement()");
    check_fact(asks_prepared, false, "SELECT * FROM pg_prepared_xacts");
    check_fact(draws, true, "SELECT nextval('s')", "SELECT setval('s', 1)",
               "INSERT INTO t VALUES (nextval('s'))");
    check_fact(draws, false, "SELECT currval('s')", "SELECT 'nextval(1)'");
}

static void several_statements_are_told_from_one(void **state)
{
    (void)state;
    check_fact(many, false, "SELECT 1", "SELECT 1;", ";;SELECT 1;; -- x", "SELECT ';' || $$;$$", "",
               "/* ; */;",
               "CREATE RULE r AS ON INSERT TO t DO (INSERT INTO a VALUES (1); INSERT INTO b VALUES (2))",
               "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN a THEN 1 END; SELECT 2; END",
               "CREATE OR REPLACE PROCEDURE p(begin atomic) BEGIN ATOMIC END;");
    check_fact(many, true, "SELECT 1; SELECT 2", "SELECT 1;;; SELECT 2;", "SELECT 1; 'x'",
               "SELECT 1;--\n(SELECT 2)",
               "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END; SELECT 2");
    check_suspects(PIN_BIT(SETTING), "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END; SET a = b",
                   "CREATE TABLE t AS SELECT begin atomic FROM t; SET a = b",
                   "CREATE PROCEDURE p(begin atomic) LANGUAGE sql AS ''; SET a = b; END",
                   "CREATE FUNCTION f() RETURNS int RETURN 1; SET a = b; SELECT begin atomic; END");
    check_suspects(0, "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SET a = b; END");
}

static void transactions_barriers_and_copies_are_seen(void **state)
{
    (void)state;
    check_fact(transaction_block, true, "BEGIN", "SELECT 1; begin work", "START TRANSACTION");
    check_fact(transaction_block, false, "START", "SELECT begin FROM start", "\"begin\"", "DO 'BEGIN END'");
    check_fact(barrier, true, "DEALLOCATE p", "deallocate all", "SELECT 1; DISCARD ALL");
    check_fact(barrier, false, "SELECT discard FROM t");
    check_fact(copy_from_stdin, true, "COPY t FROM STDIN", "COPY t FROM STDOUT",
               "SELECT 1; copy t from stdin",
               "copy binary t (a, b) from stdin with (format csv)");
    check_fact(copy_from_stdin, false, "COPY t TO STDOUT", "COPY t FROM 'stdin'", "SELECT * FROM stdin",
               "COPY (SELECT * FROM stdin) TO STDOUT", "COPY t TO STDIN");
}

static void changes_of_types_are_seen(void **state)
{
    (void)state;
    check_fact(ddl, true, "CREATE TABLE t ()", "alter table t add a int", "DROP TABLE t", "SELECT 1 INTO t",
               "IMPORT FOREIGN SCHEMA a FROM SERVER b INTO c", "BEGIN; DROP TABLE t", "DO 'x'", "CALL p()",
               "EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1");
    check_fact(ddl, false, "SELECT 1", "INSERT INTO t VALUES (1)", "TRUNCATE t", "GRANT a TO b",
               "SELECT alter FROM drop", "UPDATE t SET a = 1", "COPY t TO STDOUT",
               "MERGE INTO t USING s ON true");
}

static void changes_of_what_the_catalogs_say_are_seen(void **state)
{
    (void)state;
    check_fact(routines_change, true, "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS ''",
               "create or replace procedure p() language sql as ''", "ALTER FUNCTION f() STABLE",
               "DROP ROUTINE f",
               "CREATE AGGREGATE a (int) (SFUNC = x)",
               "CREATE OR REPLACE TRIGGER t BEFORE INSERT ON x EXECUTE FUNCTION f()",
               "CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION f()", "CREATE VIEW v AS SELECT 1",
               "CREATE MATERIALIZED VIEW v AS SELECT 1", "CREATE RULE r AS ON INSERT TO t DO NOTHING",
               "DO ''",
               "CREATE POLICY p ON t", "CREATE TABLE t (a int DEFAULT f())",
               "CREATE UNLOGGED TABLE t (a int)",
               "ALTER TABLE t ALTER a SET DEFAULT 1", "CREATE DOMAIN d AS int",
               "CREATE OPERATOR + (FUNCTION = f)",
               "CREATE CAST (a AS b) WITH FUNCTION f(a)", "CREATE EXTENSION e", "DROP SCHEMA s CASCADE",
               "CREATE TYPE t AS (a int)", "CREATE TABLE t (a int GENERATED ALWAYS AS (f()) STORED)",
               "CALL p()",
               "IMPORT FOREIGN SCHEMA a FROM SERVER b INTO c", "DROP OWNED BY a",
               "CREATE TABLE p PARTITION OF t DEFAULT");
    check_fact(routines_change, false, "CREATE TABLE t AS SELECT 1",
               "CREATE TABLE t (a, b) WITH (x = 1) AS SELECT 1",
               "SELECT 1 INTO t", "CREATE TEMP TABLE t (a int DEFAULT f())", "CREATE INDEX i ON t (f(a))",
               "CREATE UNIQUE INDEX i ON t (a)", "CREATE ROLE a", "DROP ROLE a", "ALTER USER a SET x = y",
               "CREATE DATABASE d", "DROP SEQUENCE s", "ALTER SYSTEM SET a = 1",
               "CREATE TEMP VIEW v AS SELECT 1",
               "SELECT create FROM t", "CREATE STATISTICS s ON a, b FROM t", "ALTER INDEX i RENAME TO j");
    check_fact(database_change, true, "CREATE DATABASE d", "DROP DATABASE IF EXISTS d",
               "ALTER DATABASE d RENAME TO e");
    check_fact(database_change, false, "DROP TABLE database", "COMMENT ON DATABASE d IS 'x'");
    check_fact(defaults_change, true, "ALTER ROLE a SET x = y", "ALTER ROLE ALL IN DATABASE d RESET ALL",
               "ALTER USER a SET x TO y", "ALTER DATABASE d SET x = y", "ALTER SYSTEM RESET x",
               "alter role a reset x");
    check_fact(defaults_change, false, "ALTER ROLE a PASSWORD 'x'", "CREATE ROLE a", "DROP ROLE a",
               "ALTER DATABASE d OWNER TO a", "ALTER TABLE t SET (a = 1)", "ALTER ROLE a LOGIN; SET x = 1",
               "ALTER USER MAPPING FOR a SERVER s OPTIONS (SET a 'b')");
}

static void names_are_looked_up_in_the_catalogs(void **state)
{
    static const char *const settings[] = { "app.user", "search_path" };
    const struct routine rows[] = {
        { .name = "set_user", .suspects = PIN_BIT(SETTING), .setting_count = 2, .settings = settings },
        { .name = "take\"\"it", .suspects = PIN_BIT(ADVISORY_LOCK) },
        { .name = "temp", .suspects = PIN_BIT(LISTEN), .notifies = true },
        { .name = "e", .suspects = PIN_BIT(SEED) },
        { .name = "anything", .suspects = PIN_BIT(ANYTHING), .settings_all = true },
        { .name = "long_long_long_long_long_long_long_long_long_long_long_long_123456",
          .suspects = PIN_BIT(LOAD) } };
    const struct routines all = { sizeof rows / sizeof *rows, rows }, none = { 0, NULL };
    static const struct {
        const char *text;
        uint32_t suspects;
    } expected[] = {
        { "SELECT app.Set_User(1)", PIN_BIT(SETTING) },
        { "SELECT \"take\"\"it\"()", PIN_BIT(ADVISORY_LOCK) },
        { "INSERT INTO temp VALUES (1)", PIN_BIT(LISTEN) },
        { "SELECT e FROM t", PIN_BIT(SEED) },
        { "SELECT e & 1", PIN_BIT(SEED) },
        { "SELECT E'e', 'set_user', 1e5 /* anything */", 0 },
        { "CALL anything()", PIN_BIT(ANYTHING) },
        { "CALL nothing()", 0 },
        { "SELECT long_long_long_long_long_long_long_long_long_long_long_long_123456()", PIN_BIT(LOAD) },
        { "DO $$ BEGIN PERFORM set_user(1); END $$", PIN_BIT(SETTING) },
        { "SELECT take FROM set_users", 0 } };

    (void)state;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        struct statement_facts facts = classify_as(expected[i].text, true, &all);

        check_found(expected[i].text, &facts, expected[i].suspects);
        assert_int_equal(facts.settings_all, strstr(expected[i].text, "CALL any") != NULL);
        assert_int_equal(facts.notifies, strstr(expected[i].text, " temp ") != NULL);
        if ((expected[i].suspects & PIN_BIT(SETTING)) != 0)
            check_names(expected[i].text, &facts.settings, "app.user search_path");
        facts = classify_as(expected[i].text, true, &none);
        check_found(expected[i].text, &facts, 0);
    }
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

/* Much of whatever could make one look again and again. */
static void hostile_texts_take_linear_time(void **state)
{
    static const char *const pieces[] = {
        "set_config(", "'a'\n", "/*", "$a", "$a$ $b$", "\"\"", "(", "E'\\", "--", ";", "'a' --", "u&", "1e+",
        ")",
        "pg_temp_", "set_config(set_config('a',", "create table ", "create function f begin atomic;",
        "set a.",
        "then create table ", "then declare ", "pg_backend_pid ", "select /**/ pg_backend_pid(", "explain (",
        "alter role ", "do 'a' ", "then do 'execute' ", "execute 'a' ", "execute /**/", "insert /**/",
        "into global ",
        "create or replace or ", "copy (", "copy ;", "prepare ", "then alter role ", "begin atomic "};
    enum { BYTES = 1 << 18 };
    char *text = malloc(BYTES);

    (void)state;
    for (size_t i = 0; i < 2 * sizeof pieces / sizeof *pieces; i++) {
        const char *piece = pieces[i / 2];
        size_t length = strlen(piece), start = i % 2 == 0 ? 0 : strlen("do $_$ execute ");
        struct statement_facts facts;
        clock_t began = clock(); /* of the processor: a busy machine does not matter */

        memcpy(text, "do $_$ execute ", 15);
        for (size_t at = start; at < BYTES; at++)
            text[at] = piece[(at - start) % length];
        if (start > 0)
            memcpy(text + BYTES - 3, "$_$", 3);
        statement_classify(text, BYTES, true, NULL, &facts);
        statement_classify(text, BYTES, false, NULL, &facts);
        assert_true(clock() - began < CLOCKS_PER_SEC);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ordinary_statements_raise_nothing),
        cmocka_unit_test(other_state_of_a_session),
        cmocka_unit_test(temporary_objects),
        cmocka_unit_test(asking_for_the_process_alone_counts),
        cmocka_unit_test(prepared_statements_and_channels_are_told),
        cmocka_unit_test(several_statements_are_told_from_one),
        cmocka_unit_test(transactions_barriers_and_copies_are_seen),
        cmocka_unit_test(changes_of_types_are_seen),
        cmocka_unit_test(changes_of_what_the_catalogs_say_are_seen),
        cmocka_unit_test(names_are_looked_up_in_the_catalogs),
        cmocka_unit_test(deallocate_names_its_statement),
        cmocka_unit_test(names_in_deallocate_are_cut_as_the_server_cuts_them),
        cmocka_unit_test(hostile_texts_take_linear_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
