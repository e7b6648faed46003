/* SPDX-License-Identifier: PostgreSQL
 * test_opening - tools are known by their first statements, and applications are let through at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "router/classify.h"
#include "router/words.h"

static enum opening feed(struct first_statements *first, const char *text)
{
    /* A copy of the exact size lets the sanitizer see any step beyond it. */
    char *copy = malloc(strlen(text) + 1);
    enum opening opening;

    memcpy(copy, text, strlen(text));
    opening = first_statements_see(first, copy, strlen(text));
    free(copy);
    return opening;
}

static void tools_are_known_by_their_first_statement(void **state)
{
    static const struct {
        const char *text;
        enum class class;
    } rows[] = {
        { "SELECT pg_catalog.set_config('search_path', '', false);", CLASS_DUMP },
        { "SELECT pg_catalog.set_config('search_path', '', false)", CLASS_DUMP },
        { "  select\n\tPG_CATALOG . SET_CONFIG ( 'search_path' , '' , FALSE ) ; ", CLASS_DUMP },
        { "-- dump\n/* a /* nested */ comment */SELECT/**/set_config('search_path','',false)", CLASS_DUMP },
        { "SELECT pg_catalog.set_config('search_path', '', false); SELECT 1", CLASS_DUMP },
        { "set search_path = 'pg_catalog'", CLASS_BACKUP },
        { "SET SESSION search_path TO 'pg_catalog';", CLASS_BACKUP },
        { "SET application_name TO barman", CLASS_BACKUP },
        { "SET application_name TO 'barman_receive_wal'", CLASS_BACKUP },
        { "set application_name = 'pgBackRest [backup]'", CLASS_BACKUP },
        { "SET application_name = 'pg_dump';", CLASS_DUMP },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct first_statements first = { 0 };

        if (feed(&first, rows[i].text) != OPENING_TOOL)
            fail_msg("not seen as a tool: %s", rows[i].text);
        assert_int_equal(first.class, rows[i].class);
        assert_int_equal(strncmp(first.why, "first statement: ", 17), 0);
        assert_int_equal(feed(&first, "SELECT 1"), OPENING_TOOL);
    }
}

static void applications_are_let_through_at_once(void **state)
{
    static const char *const texts[] = {
        "",
        ";",
        "-- ping",
        "SELECT 1",
        "BEGIN",
        "begin;",
        "SELECT version()",
        "select pg_catalog.version()",
        "SELECT set_config('search_path', 'app, public', false)",
        "SELECT pg_catalog.set_config('search_path', '', true)",
        "SELECT pg_catalog.set_config('TimeZone', '', false)",
        "SELECT set_config($1, $2, $3)",
        "SET search_path = pg_catalog",
        "SET search_path TO app, pg_catalog",
        "SET application_name = 'web'",
        "SET application_name = 'PostgreSQL JDBC Driver'",
        "SET application_name",
        "SET extra_float_digits = 3",
        "SET client_encoding TO 'UTF8'",
        "SET TIME ZONE 'UTC'",
        "SET statement_timeout = 30000",
        "SET client_min_messages TO 'warning'",
        "SHOW standard_conforming_strings",
        "SHOW TRANSACTION ISOLATION LEVEL",
        "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED",
        "DISCARD ALL",
        "select count(*) from pgbench_branches",
        "select t.oid, typarray from pg_type t join pg_namespace ns on true",
        "'",
        "\"",
        "/*",
        "--",
        "$$",
        "$a$ $",
        "E'\\",
        "select 'pg_catalog",
        "pg_catalog",
        "pg_catalog.",
        "SELECT pg_catalog.",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct first_statements first = { 0 };

        if (feed(&first, texts[i]) != OPENING_APPLICATION)
            fail_msg("not seen as an application: %s", texts[i]);
        assert_int_equal(feed(&first, "SELECT pg_catalog.set_config('search_path', '', false)"),
                         OPENING_APPLICATION);
    }
}

static void pg_rewind_and_plain_dumps_are_known_by_their_second_statement(void **state)
{
    struct first_statements first = { 0 };

    (void)state;
    assert_int_equal(feed(&first, "SET statement_timeout = 0"), OPENING_UNDECIDED);
    assert_int_equal(feed(&first, "SET lock_timeout = 0"), OPENING_TOOL);
    assert_int_equal(first.class, CLASS_RESTORE);
    first = (struct first_statements){ 0 };
    assert_int_equal(feed(&first, "SET statement_timeout = 0"), OPENING_UNDECIDED);
    assert_int_equal(feed(&first, "SELECT 1"), OPENING_APPLICATION);
    first = (struct first_statements){ 0 };
    assert_int_equal(feed(&first, "SET statement_timeout = 0"), OPENING_UNDECIDED);
    assert_int_equal(feed(&first, "SET statement_timeout = 0"), OPENING_APPLICATION);
    first = (struct first_statements){ 0 };
    assert_int_equal(feed(&first, "SET lock_timeout = 0"), OPENING_APPLICATION);
    first = (struct first_statements){ 0 };
    assert_int_equal(feed(&first, "SET statement_timeout = 0"), OPENING_UNDECIDED);
    assert_int_equal(feed(&first, "SELECT pg_catalog.set_config('search_path', '', false);"), OPENING_TOOL);
}

static void some_statements_need_a_server_of_their_own(void **state)
{
    static const struct {
        const char *text, *why;
        enum class class;
    } rows[] = {
        { "SELECT pg_catalog.pg_export_snapshot()", "statement: pg_export_snapshot()", CLASS_DUMP },
        { "begin; select PG_EXPORT_SNAPSHOT ( )", "statement: pg_export_snapshot()", CLASS_DUMP },
        { "select \"pg_export_snapshot\"()", "statement: pg_export_snapshot()", CLASS_DUMP },
        { "SET TRANSACTION SNAPSHOT '00000003-00000063-1'", "statement: SET TRANSACTION SNAPSHOT",
          CLASS_DUMP },
        { "set /* */ transaction\nSnapshot '1'", "statement: SET TRANSACTION SNAPSHOT", CLASS_DUMP },
        { "select lsn::text from pg_backup_start('pgBackRest backup started at ' || now(), true)",
          "statement: pg_backup_start()", CLASS_BACKUP },
        { "SELECT pg_start_backup('x', true, false)", "statement: pg_start_backup()", CLASS_BACKUP },
        { "SELECT * FROM pg_create_logical_replication_slot('s', 'pgoutput', true)",
          "statement: pg_create_logical_replication_slot()", CLASS_REPLICATION },
        { "SELECT * FROM pg_logical_slot_get_changes('s', NULL, NULL)",
          "statement: pg_logical_slot_get_changes()", CLASS_REPLICATION },
    };
    static const char *const others[] = {
        "",
        "SELECT 1",
        "SELECT 'pg_export_snapshot()'",
        "-- pg_export_snapshot()\nSELECT 1",
        "/* pg_backup_start( */",
        "SELECT $$pg_backup_start('x')$$",
        "SELECT pg_export_snapshot",
        "SELECT \"PG_EXPORT_SNAPSHOT\"()",
        "SELECT pg_sleep(1)",
        "SELECT my_pg_backup_start()",
        "SELECT snapshot FROM t",
        "SELECT e'\\'pg_backup_start('",
        "INSERT INTO t VALUES ('SET TRANSACTION SNAPSHOT')",
        "pg_",
        "_",
        "h",
        "snapsho",
    };
    char why[96];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum class class = CLASS_APP;

        if (!statement_needs_dedicated(rows[i].text, strlen(rows[i].text), &class, why, sizeof why))
            fail_msg("not seen: %s", rows[i].text);
        assert_int_equal(class, rows[i].class);
        assert_string_equal(why, rows[i].why);
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        enum class class = CLASS_APP;

        if (statement_needs_dedicated(others[i], strlen(others[i]), &class, why, sizeof why))
            fail_msg("seen in: %s", others[i]);
    }
}

/* A small generator of nonsense: every byte string must be survived, at its exact size. */
static void any_bytes_are_survived(void **state)
{
    static const char alphabet[] = "sSeEtT \n'\"$$--/*/**/;.()\\_pgcatalog='x0\0\xff";
    unsigned seed = 1;

    (void)state;
    for (int round = 0; round < 50000; round++) {
        struct first_statements first = { 0 };
        size_t length = (size_t)(round % 40);
        char *text = malloc(length + 1);
        enum class class;
        char why[16];

        for (size_t i = 0; i < length; i++) {
            seed = seed * 1103515245 + 12345;
            text[i] = alphabet[(seed >> 16) % (sizeof alphabet - 1)];
        }
        text = realloc(text, length == 0 ? 1 : length);
        first_statements_see(&first, text, length);
        statement_needs_dedicated(text, length, &class, why, sizeof why);
        free(text);
    }
}

static void words_are_cut_as_postgresql_cuts_them(void **state)
{
    static const char text[] = "a\"b\"\"c\" 'it''s' E'\\'' $x$ y $x$ 1.5e3 $1 --\n/*/* */*/:";
    static const struct {
        enum word_kind kind;
        const char *text;
    } expected[] = {
        { WORD_NAME, "a" }, { WORD_QUOTED, "b\"\"c" }, { WORD_STRING, "it''s" }, { WORD_STRING, "\\'" },
        { WORD_STRING, " y " }, { WORD_NUMBER, "1.5e3" }, { WORD_SYMBOL, "$" }, { WORD_NUMBER, "1" },
        { WORD_SYMBOL, ":" }, { WORD_END, "" },
    };
    struct words words = { text, text + sizeof text - 1 };

    (void)state;
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        struct word word = word_next(&words);

        assert_int_equal(word.kind, expected[i].kind);
        assert_int_equal(word.length, strlen(expected[i].text));
        assert_memory_equal(word.text, expected[i].text, word.length);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tools_are_known_by_their_first_statement),
        cmocka_unit_test(applications_are_let_through_at_once),
        cmocka_unit_test(pg_rewind_and_plain_dumps_are_known_by_their_second_statement),
        cmocka_unit_test(some_statements_need_a_server_of_their_own),
        cmocka_unit_test(any_bytes_are_survived),
        cmocka_unit_test(words_are_cut_as_postgresql_cuts_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
