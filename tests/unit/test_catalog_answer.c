/* SPDX-License-Identifier: PostgreSQL
 * test_catalog_answer - PostgreSQL's answer about its catalogs is taken in pieces of any size, and what
 * makes no sense or is too much is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/catalog_answer.h"
#include "gateway/session/routines.h"
#include "gateway/session/statement.h"
#include "gateway/wire/write.h"

static unsigned char bytes[8192];
static struct builder built;
static struct reading reading;

static int open_reading(void **state)
{
    (void)state;
    builder_init(&built, bytes, sizeof bytes);
    reading_open(&reading);
    return 0;
}

static int close_reading(void **state)
{
    (void)state;
    reading_close(&reading);
    return 0;
}

static void row(const char *kind, const char *name, const char *what, const char *language)
{
    const char *values[] = {kind, name, what, language};

    write_data_row(&built, values, 4);
}

static void whole_answer(void)
{
    write_command_complete(&built, "SET");
    write_parameter_status(&built, "client_encoding", "SQL_ASCII");
    row("f", "0123456789abcdef", NULL, NULL);
    row("u", "view", "f", NULL);
    row("b", "table", "pg_advisory_lock", NULL);
    row("n", "f", NULL, NULL);
    row("s", "f", "SELECT setseed(1)", "sql");
    row("s", "long", NULL, "plpgsql");
    write_command_complete(&built, "SELECT 6");
    write_ready(&built, 'I');
}

/* Shows the bytes as a stream does: what was not used comes again with `piece` more. */
static enum reading_result take(size_t piece)
{
    enum reading_result result = READING_GOES_ON;
    size_t from = 0, to = 0, used;

    while (result == READING_GOES_ON && to < built.used) {
        to = to + piece < built.used ? to + piece : built.used;
        used = 0;
        result = reading_take(&reading, bytes + from, to - from, &used);
        from += used;
    }
    assert_true(result != READING_DONE || from == built.used);
    return result;
}

static void an_answer_may_come_in_pieces_of_any_size(void **state)
{
    const struct routine *found;
    struct routines *routines;
    struct fault fault;

    (void)state;
    whole_answer();
    for (size_t piece = 1; piece <= built.used; piece += 1 + piece / 3) {
        reading_close(&reading);
        reading_open(&reading);
        assert_int_equal(take(piece), READING_DONE);
        assert_null(reading_fault(&reading));
        assert_string_equal(reading.fingerprint, "0123456789abcdef");
        routines = reading_finish(&reading, &fault);
        assert_int_equal(routines_count(routines), 4);
        found = routines_find(routines, "view", 4);
        assert_int_equal(found->suspects, PIN_BIT(SEED));
        routines_release(routines);
    }
}

static void an_error_leaves_a_server_that_can_be_used(void **state)
{
    const struct fault error = {"42501", "permission denied", ""};

    (void)state;
    row("n", "f", NULL, NULL);
    write_error(&built, 'E', "ERROR", &error);
    write_ready(&built, 'I');
    assert_int_equal(take(7), READING_DONE);
    assert_string_equal(reading_fault(&reading)->sqlstate, "42501");
    assert_string_equal(reading_fault(&reading)->message, "permission denied");
}

static void what_makes_no_sense_breaks_it(void **state)
{
    static const unsigned char other[] = {'G', 0, 0, 0, 4}, huge[] = {'D', 0x20, 0, 0, 0};
    const char *three[] = {"n", "f", NULL};

    (void)state;
    write_ready(&built, 'T');
    assert_int_equal(take(100), READING_BROKEN);
    builder_init(&built, bytes, sizeof bytes);
    write_data_row(&built, three, 3);
    assert_int_equal(take(100), READING_BROKEN);
    builder_init(&built, bytes, sizeof bytes);
    builder_bytes(&built, other, sizeof other);
    assert_int_equal(take(100), READING_BROKEN);
    builder_init(&built, bytes, sizeof bytes);
    builder_bytes(&built, huge, sizeof huge);
    assert_int_equal(take(100), READING_BROKEN);
}

static void a_name_that_postgresql_cannot_have_written_is_a_failure(void **state)
{
    char name[100];

    (void)state;
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    row("n", name, NULL, NULL);
    row("u", NULL, "f", NULL);
    write_ready(&built, 'I');
    assert_int_equal(take(1000), READING_DONE);
    assert_non_null(reading_fault(&reading));
}

static void an_answer_that_never_ends_is_too_much(void **state)
{
    enum reading_result result = READING_GOES_ON;
    size_t used;

    (void)state;
    for (int i = 0; i < 100; i++)
        row("n", "f", NULL, NULL);
    for (int i = 0; i < 20000 && result == READING_GOES_ON; i++) {
        used = 0;
        result = reading_take(&reading, bytes, built.used, &used);
    }
    assert_int_equal(result, READING_BROKEN);
    assert_string_equal(reading_fault(&reading)->sqlstate, "54000");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_reading, close_reading)
    const struct CMUnitTest tests[] = {
        TEST(an_answer_may_come_in_pieces_of_any_size),
        TEST(an_error_leaves_a_server_that_can_be_used),
        TEST(what_makes_no_sense_breaks_it),
        TEST(a_name_that_postgresql_cannot_have_written_is_a_failure),
        TEST(an_answer_that_never_ends_is_too_much),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
