/* SPDX-License-Identifier: PostgreSQL
 * test_fields - message bodies are read whole or refused, never past their end; frames are peeked at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/wire/fields.h"
#include "gateway/wire/frame.h"
#include "gateway/wire/messages.h"

#define BODY(text) (text), sizeof(text) - 1

static void a_frame_needs_five_bytes_and_a_sane_length(void **state)
{
    struct frame frame;

    (void)state;
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(frame_peek("Q\0\0\0\4", i, &frame), FRAME_SHORT);
    assert_int_equal(frame_peek("Q\0\0\0\4", 5, &frame), FRAME_OK);
    assert_int_equal(frame.type, 'Q');
    assert_int_equal(frame.size, 5);
    assert_int_equal(frame_peek("d\x3f\xff\xff\xff", 5, &frame), FRAME_OK);
    assert_int_equal(frame.size, 0x40000000);
    assert_int_equal(frame_peek("Q\0\0\0\3", 5, &frame), FRAME_BAD);
    assert_int_equal(frame_peek("Q\x40\0\0\0", 5, &frame), FRAME_BAD);
    assert_int_equal(frame_peek("Q\xff\xff\xff\xff", 5, &frame), FRAME_BAD);
}

static void a_reader_stays_bad_once_it_ran_out(void **state)
{
    struct reader r;

    (void)state;
    reader_init(&r, BODY("\1\2\3\4\5\6\7ab"));
    assert_int_equal(reader_u8(&r), 1);
    assert_int_equal(reader_u16(&r), 0x0203);
    assert_int_equal(reader_u32(&r), 0x04050607);
    assert_int_equal(reader_left(&r), 2);
    assert_int_equal(reader_u32(&r), 0);
    assert_true(r.bad);
    assert_null(reader_bytes(&r, 1));
    assert_int_equal(reader_u8(&r), 0);
    assert_string_equal(reader_string(&r), "");
}

static void a_string_needs_its_nul(void **state)
{
    struct reader r;

    (void)state;
    reader_init(&r, BODY("one\0\0two"));
    assert_string_equal(reader_string(&r), "one");
    assert_string_equal(reader_string(&r), "");
    assert_false(r.bad);
    assert_string_equal(reader_string(&r), "");
    assert_true(r.bad);
    reader_init(&r, "", 0);
    assert_string_equal(reader_string(&r), "");
    assert_true(r.bad);
}

static void parse_has_name_query_and_types(void **state)
{
    struct parse_fields parse;

    (void)state;
    assert_true(fields_parse(BODY("s1\0select $1\0\0\1\0\0\0\x17"), &parse));
    assert_string_equal(parse.name, "s1");
    assert_string_equal(parse.query, "select $1");
    assert_int_equal(parse.query_length, 9);
    assert_int_equal(parse.types_bytes, 6);
    assert_memory_equal(parse.types, "\0\1\0\0\0\x17", 6);
    assert_true(fields_parse(BODY("\0\0\0\0"), &parse));
    assert_int_equal(parse.query_length, 0);
}

static void a_parse_that_is_cut_or_too_long_is_refused(void **state)
{
    static const char body[] = "s1\0select $1\0\0\1\0\0\0\x17";
    struct parse_fields parse;

    (void)state;
    for (size_t length = 0; length < sizeof body - 1; length++)
        assert_false(fields_parse(body, length, &parse));
    assert_false(fields_parse(body, sizeof body, &parse));
    assert_false(fields_parse(BODY("\0\0\xff\xff"), &parse));
}

static void bind_needs_only_its_two_names(void **state)
{
    struct bind_fields bind;

    (void)state;
    assert_true(fields_bind(BODY("p\0s1\0\0\1\0"), &bind));
    assert_string_equal(bind.portal, "p");
    assert_string_equal(bind.statement, "s1");
    assert_int_equal(bind.rest_bytes, 3);
    assert_memory_equal(bind.rest, "\0\1\0", 3);
    assert_false(fields_bind(BODY("p\0s1"), &bind));
    assert_false(fields_bind(BODY(""), &bind));
}

static struct bind_parameter parameter(const void *body, size_t size, unsigned number, bool wanted)
{
    struct bind_fields bind;
    struct bind_parameter found;

    assert_true(fields_bind(body, size, &bind));
    assert_int_equal(fields_bind_parameter(&bind, number, &found), wanted);
    return found;
}

static void a_parameter_of_bind_is_found_by_its_number(void **state)
{
    static const char body[] = "p\0s\0" "\0\2\0\0\0\1" "\0\3" "\0\0\0\2ab" "\xff\xff\xff\xff"
                               "\0\0\0\0" "\0\0";
    struct bind_parameter found = parameter(BODY(body), 1, true);

    (void)state;
    assert_int_equal(found.length, 2);
    assert_memory_equal(found.bytes, "ab", 2);
    assert_true(found.is_text && !found.is_null);
    found = parameter(BODY(body), 2, true);
    assert_true(found.is_null && !found.is_text);
    assert_false(parameter(BODY(body), 3, true).is_text); /* two formats for three parameters are none */
    parameter(BODY(body), 4, false);
    parameter(BODY(body), 0, false);
    assert_true(parameter(BODY("\0s\0" "\0\0\0\1\0\0\0\1x"), 1, true).is_text);
    assert_false(parameter(BODY("\0s\0" "\0\1\0\1\0\1\0\0\0\1x"), 1, true).is_text);
}

static void a_parameter_beyond_the_end_of_bind_is_refused(void **state)
{
    (void)state;
    assert_null(parameter(BODY("\0s\0" "\0\0\0\1\0\0\0\2x"), 1, false).bytes);
    assert_null(parameter(BODY("\0s\0" "\0\0\0\1\x80\0\0\0x"), 1, false).bytes);
    assert_null(parameter(BODY("\0s\0" "\xff\xff\0\0"), 1, false).bytes);
    assert_null(parameter(BODY("\0s\0" "\0"), 1, false).bytes);
    assert_null(parameter(BODY("\0s\0"), 65535, false).bytes);
}

static void rows_have_a_shape_of_names_and_types(void **state)
{
    static const char one[] = "\0\1a\0\0\0\0\1\0\1\0\0\0\x17\0\4\xff\xff\xff\xff\0\0";
    static const char other_table[] = "\0\1a\0\0\0\0\2\0\3\0\0\0\x17\0\4\xff\xff\xff\xff\0\1";
    static const char other_type[] = "\0\1a\0\0\0\0\1\0\1\0\0\0\x14\0\4\xff\xff\xff\xff\0\0";
    uint64_t shape = fields_shape(BODY(one));

    (void)state;
    assert_true(shape > 1);
    assert_true(fields_shape(BODY("\0\0")) > 1);
    assert_true(fields_shape(BODY(other_table)) == shape);
    assert_true(fields_shape(BODY(other_type)) != shape);
    assert_true(fields_shape(one, sizeof one - 2) == 0);
    assert_true(fields_shape(one, 1) == 0);
    assert_true(fields_shape(one, sizeof one) == 0);
}

static void describe_takes_a_kind_and_a_name(void **state)
{
    const char *name;
    char kind;

    (void)state;
    assert_true(fields_describe(BODY("Ss1\0"), &kind, &name));
    assert_int_equal(kind, 'S');
    assert_string_equal(name, "s1");
    assert_true(fields_describe(BODY("P\0"), &kind, &name));
    assert_false(fields_describe(BODY("X\0"), &kind, &name));
    assert_false(fields_describe(BODY("S"), &kind, &name));
    assert_false(fields_describe(BODY("S\0x"), &kind, &name));
    assert_false(fields_describe(BODY(""), &kind, &name));
}

static void errors_keep_what_they_have(void **state)
{
    struct error_fields error;

    (void)state;
    fields_error(BODY("SFEHLER\0VERROR\0C42P01\0Mgone\0Ddetail\0Hhint\0Rparse\0Zwhat\0\0"), &error);
    assert_string_equal(error.severity, "ERROR");
    assert_string_equal(error.sqlstate, "42P01");
    assert_string_equal(error.message, "gone");
    assert_string_equal(error.detail, "detail");
    assert_string_equal(error.hint, "hint");
    assert_string_equal(error.routine, "parse");
    fields_error(BODY("VERROR\0SFEHLER\0\0"), &error);
    assert_string_equal(error.severity, "ERROR");
    fields_error(BODY("SFATAL\0\0"), &error);
    assert_string_equal(error.severity, "FATAL");
}

static void errors_without_fields_or_end_are_tolerated(void **state)
{
    static const char *const bodies[] = { "", "\0", "M", "Mno end", "C\0M\0" };
    static const size_t sizes[] = { 0, 1, 1, 7, 4 };

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct error_fields error;

        fields_error(bodies[i], sizes[i], &error);
        assert_string_equal(error.severity, "");
        assert_string_equal(error.sqlstate, "");
        assert_string_equal(error.message, "");
    }
}

static void parameter_status_is_a_name_and_a_value(void **state)
{
    const char *name, *value;

    (void)state;
    assert_true(fields_parameter_status(BODY("TimeZone\0UTC\0"), &name, &value));
    assert_string_equal(name, "TimeZone");
    assert_string_equal(value, "UTC");
    assert_true(fields_parameter_status(BODY("a\0\0"), &name, &value));
    assert_false(fields_parameter_status(BODY("\0x\0"), &name, &value));
    assert_false(fields_parameter_status(BODY("a\0b"), &name, &value));
    assert_false(fields_parameter_status(BODY("a\0b\0c"), &name, &value));
}

static void messages_are_known_by_side_and_type(void **state)
{
    (void)state;
    assert_string_equal(message_name(MESSAGE_CLIENT, 'S'), "Sync");
    assert_string_equal(message_name(MESSAGE_SERVER, 'S'), "ParameterStatus");
    assert_null(message_name(MESSAGE_CLIENT, 'Z'));
    assert_null(message_name(MESSAGE_SERVER, (char)0xff));
    assert_int_equal(message_flags(MESSAGE_CLIENT, 'Z'), 0);
    assert_true((message_flags(MESSAGE_CLIENT, 'Q') & MESSAGE_OWES_READY) != 0);
    assert_int_equal(message_flags(MESSAGE_SERVER, 'Z'), MESSAGE_KNOWN);
}

static void messages_have_sizes_that_fit_their_type(void **state)
{
    (void)state;
    assert_true(message_size_valid(MESSAGE_CLIENT, 'S', 5));
    assert_false(message_size_valid(MESSAGE_CLIENT, 'S', 6));
    assert_true(message_size_valid(MESSAGE_CLIENT, 'Q', FRAME_LENGTH_MAX));
    assert_true(message_size_valid(MESSAGE_CLIENT, 'p', MESSAGE_SMALL_MAX_BYTES));
    assert_false(message_size_valid(MESSAGE_CLIENT, 'p', MESSAGE_SMALL_MAX_BYTES + 1));
    assert_false(message_size_valid(MESSAGE_CLIENT, 'Z', 6));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_needs_five_bytes_and_a_sane_length),
        cmocka_unit_test(a_reader_stays_bad_once_it_ran_out),
        cmocka_unit_test(a_string_needs_its_nul),
        cmocka_unit_test(parse_has_name_query_and_types),
        cmocka_unit_test(a_parse_that_is_cut_or_too_long_is_refused),
        cmocka_unit_test(bind_needs_only_its_two_names),
        cmocka_unit_test(a_parameter_of_bind_is_found_by_its_number),
        cmocka_unit_test(a_parameter_beyond_the_end_of_bind_is_refused),
        cmocka_unit_test(rows_have_a_shape_of_names_and_types),
        cmocka_unit_test(describe_takes_a_kind_and_a_name),
        cmocka_unit_test(errors_keep_what_they_have),
        cmocka_unit_test(errors_without_fields_or_end_are_tolerated),
        cmocka_unit_test(parameter_status_is_a_name_and_a_value),
        cmocka_unit_test(messages_are_known_by_side_and_type),
        cmocka_unit_test(messages_have_sizes_that_fit_their_type),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
