/* SPDX-License-Identifier: PostgreSQL
 * test_write - messages are built byte for byte as the manual lays them out, and never past their buffer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/fault.h"
#include "gateway/wire/fields.h"
#include "gateway/wire/frame.h"
#include "gateway/wire/startup.h"
#include "gateway/wire/write.h"

static unsigned char buffer[4096];

static struct builder fresh(void)
{
    struct builder b;

    builder_init(&b, buffer, sizeof buffer);
    return b;
}

#define assert_built(b, text)                                                                       \
    do {                                                                                            \
        assert_true(builder_ok(&(b)));                                                              \
        assert_int_equal((b).used, sizeof(text) - 1);                                               \
        assert_memory_equal((b).bytes, text, sizeof(text) - 1);                                     \
    } while (0)

static void lengths_count_themselves_but_not_the_type(void **state)
{
    struct builder b = fresh();

    (void)state;
    write_query(&b, "select 1");
    write_ready(&b, 'T');
    assert_built(b, "Q\0\0\0\x0dselect 1\0Z\0\0\0\5T");
}

static void authentication_requests_carry_code_and_body(void **state)
{
    struct builder b = fresh();

    (void)state;
    write_authentication(&b, 0, NULL, 0);
    write_authentication(&b, 11, "r=x", 3);
    assert_built(b, "R\0\0\0\x08\0\0\0\0R\0\0\0\x0b\0\0\0\x0br=x");
}

static void startup_and_cancel_have_no_type(void **state)
{
    struct startup_parameter parameters[] = { { "user", "ann" }, { "a", "" } };
    struct builder b = fresh();

    (void)state;
    write_startup(&b, 3, 2, parameters, 2);
    assert_built(b, "\0\0\0\x15\0\3\0\2user\0ann\0a\0\0\0");
    b = fresh();
    write_cancel(&b, 0x01020304, "secret", 6);
    assert_built(b, "\0\0\0\x12\x04\xd2\x16\x2e\1\2\3\4secret");
}

static void login_messages(void **state)
{
    struct builder b = fresh();

    (void)state;
    write_backend_key(&b, 5, "abcd", 4);
    write_parameter_status(&b, "TimeZone", "UTC");
    assert_built(b, "K\0\0\0\x0c\0\0\0\5abcdS\0\0\0\x11TimeZone\0UTC\0");
}

static void negotiation_names_the_whole_version_and_the_options(void **state)
{
    const char *const options[] = { "_pq_.a", "_pq_.b" };
    struct builder b = fresh();

    (void)state;
    write_negotiate_version(&b, 2, options, 2);
    assert_built(b, "v\0\0\0\x1a\0\3\0\2\0\0\0\2_pq_.a\0_pq_.b\0");
}

static void an_error_has_severity_code_message_and_hint(void **state)
{
    struct fault fault;
    struct builder b = fresh();

    (void)state;
    fault_set(&fault, "28000", "no");
    write_error(&b, 'E', "FATAL", &fault);
    assert_built(b, "E\0\0\0\x1eSFATAL\0VFATAL\0C28000\0Mno\0\0");
    fault_hint(&fault, "ask");
    b = fresh();
    write_error(&b, 'N', "NOTICE", &fault);
    assert_built(b, "N\0\0\0\x25SNOTICE\0VNOTICE\0C28000\0Mno\0Hask\0\0");
}

static void an_error_reads_back_as_it_was_written(void **state)
{
    struct fault fault;
    struct error_fields fields;
    struct builder b;

    (void)state;
    memset(&fault, 'x', sizeof fault);
    fault.message[sizeof fault.message - 1] = fault.hint[sizeof fault.hint - 1] = '\0';
    fault.sqlstate[0] = '\0';
    builder_init(&b, buffer, WRITE_ERROR_ROOM);
    write_error(&b, 'E', "FATAL", &fault);
    assert_true(builder_ok(&b));
    fields_error(buffer + FRAME_HEADER_BYTES, b.used - FRAME_HEADER_BYTES, &fields);
    assert_string_equal(fields.severity, "FATAL");
    assert_string_equal(fields.sqlstate, "XX000");
    assert_string_equal(fields.message, fault.message);
    assert_string_equal(fields.hint, fault.hint);
}

static void console_rows(void **state)
{
    const char *const names[] = { "name", "n" }, *const values[] = { "x", NULL, "" };
    const uint32_t oids[] = { 25, 20 };
    struct builder b = fresh();

    (void)state;
    write_row_description(&b, names, oids, 0, 2);
    assert_built(b, "T\0\0\0\x31\0\2name\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0"
                    "n\0\0\0\0\0\0\0\0\0\0\x14\xff\xff\xff\xff\xff\xff\0\0");
    b = fresh();
    write_data_row(&b, values, 3);
    write_command_complete(&b, "SHOW");
    assert_built(b, "D\0\0\0\x13\0\3\0\0\0\1x\xff\xff\xff\xff\0\0\0\0C\0\0\0\x09SHOW\0");
}

static void no_message_leaves_a_buffer_that_is_too_small(void **state)
{
    unsigned char small[32];
    struct builder b;

    (void)state;
    for (size_t room = 0; room < 14; room++) {
        memset(small, 0xee, sizeof small);
        builder_init(&b, small, room);
        write_query(&b, "select 1");
        write_ready(&b, 'I');
        assert_false(builder_ok(&b));
        assert_true(b.used <= room);
        for (size_t i = room; i < sizeof small; i++)
            assert_int_equal(small[i], 0xee);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths_count_themselves_but_not_the_type),
        cmocka_unit_test(authentication_requests_carry_code_and_body),
        cmocka_unit_test(startup_and_cancel_have_no_type),
        cmocka_unit_test(login_messages),
        cmocka_unit_test(negotiation_names_the_whole_version_and_the_options),
        cmocka_unit_test(an_error_has_severity_code_message_and_hint),
        cmocka_unit_test(an_error_reads_back_as_it_was_written),
        cmocka_unit_test(console_rows),
        cmocka_unit_test(no_message_leaves_a_buffer_that_is_too_small),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
