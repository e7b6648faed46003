/* SPDX-License-Identifier: PostgreSQL
 * test_backup_failure - what PostgreSQL's programs say is mapped to exit codes and to advice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "backup/failure.h"

/* Texts as pg_dump 15 and PostgreSQL 15 to 18 write them. */
static const struct {
    const char *text;
    int code;
} said[] = {
    { "pg_dump: error: aborting because of server version mismatch\npg_dump: detail: server version: 18.4; "
      "pg_dump version: 15.18",
      21 },
    { "pg_restore: error: unsupported version (1.16) in file header", 21 },
    { "pg_dump: error: could not write to output file: No space left on device", 30 },
    { "pg_dump: error: query failed: ERROR:  query would be affected by row-level security policy for table "
      "\"x\"",
      22 },
    { "pg_dump: error: could not open large object 4711: ERROR:  permission denied for large object 4711",
      22 },
    { "pg_dump: error: query failed: ERROR:  canceling statement due to statement timeout\n"
      "pg_dump: detail: Query was: LOCK TABLE public.history IN ACCESS SHARE MODE",
      23 },
    { "ERROR:  canceling statement due to lock timeout", 23 },
    { "pg_dump: error: query failed: ERROR:  canceling statement due to statement timeout\n"
      "pg_dump: detail: Query was: COPY public.history TO stdout;",
      24 },
    { "ERROR:  canceling statement due to conflict with recovery\nDETAIL:  User query might have needed to "
      "see "
      "row versions that must be removed.",
      24 },
    { "connection to server at \"127.0.0.1\", port 6433 failed: FATAL:  sorry, too many clients already",
      11 },
    { "connection to server failed: FATAL:  remaining connection slots are reserved for roles with the "
      "SUPERUSER "
      "attribute",
      11 },
    { "pg_dump: error: query failed: FATAL:  query_wait_timeout", 11 },
    { "connection to server at \"127.0.0.1\", port 1 failed: Connection refused", 20 },
    { "connection to server failed: FATAL:  password authentication failed for user \"backup\"", 20 },
    { "FATAL:  unsupported startup parameter: options", 2 },
    { "pg_dump: error: Dumping the contents of table \"big\" failed: PQgetCopyData() failed.\n"
      "server closed the connection unexpectedly",
      20 },
    { "something nobody has seen before", 40 },
    { "", 40 },
};

static void texts_map_to_exit_codes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++) {
        struct fault fault;

        assert_false(failure_explain(&fault, FAILURE_DUMP, "pg_dump", said[i].text));
        if (failure_exit_code(&fault) != said[i].code)
            fail_msg("%d instead of %d for: %s", failure_exit_code(&fault), said[i].code, said[i].text);
        assert_null(strchr(fault.message, '\n'));
        assert_true(said[i].code == 40 || fault.hint[0] != '\0');
    }
}

static void sqlstates_of_the_server_map_too(void **state)
{
    static const struct {
        const char *sqlstate;
        int code;
    } states[] = { { "08006", 20 }, { "28P01", 20 }, { "3D000", 20 }, { "57P03", 20 }, { "42501", 22 },
                   { "55P03", 23 }, { "57014", 24 }, { "40001", 24 }, { "53300", 11 }, { "53100", 30 },
                   { "42P01", 1 },  { "57P01", 20 }, { "55006", 1 } };

    (void)state;
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        struct fault fault;

        fault_set(&fault, states[i].sqlstate, "A sentence.");
        if (failure_exit_code(&fault) != states[i].code)
            fail_msg("%s: %d instead of %d", states[i].sqlstate, failure_exit_code(&fault), states[i].code);
    }
}

static void a_full_disk_is_not_a_broken_one(void **state)
{
    struct fault fault;

    (void)state;
    errno = ENOSPC;
    failure_storage(&fault, "write", "x");
    assert_int_equal(failure_exit_code(&fault), 30);
    errno = EIO;
    failure_storage(&fault, "write", "x");
    assert_int_equal(failure_exit_code(&fault), 31);
    assert_non_null(strstr(fault.message, "Cannot write \"x\""));
}

static void long_texts_are_cut_not_overrun(void **state)
{
    char text[5000];
    struct fault fault;

    (void)state;
    memset(text, '\n', sizeof text);
    for (size_t i = 0; i < sizeof text; i += 3)
        text[i] = 'x';
    text[sizeof text - 1] = '\0';
    failure_explain(&fault, FAILURE_DUMP, "pg_dump", text);
    assert_true(strlen(fault.message) < sizeof fault.message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_map_to_exit_codes),
        cmocka_unit_test(sqlstates_of_the_server_map_too),
        cmocka_unit_test(a_full_disk_is_not_a_broken_one),
        cmocka_unit_test(long_texts_are_cut_not_overrun),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
