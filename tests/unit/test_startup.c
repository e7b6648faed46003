/* SPDX-License-Identifier: PostgreSQL
 * test_startup - the first packet is parsed whole by PostgreSQL's rules, or refused in PostgreSQL's words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/arena.h"
#include "gateway/base/fault.h"
#include "gateway/wire/startup.h"
#include "gateway/wire/write.h"

/* One packet being tried, and what came out of it. */
struct trial {
    unsigned char bytes[20000];
    struct builder builder;
    struct arena *arena;
    struct startup startup;
    struct fault fault;
    size_t used;
};

static int trial_setup(void **state)
{
    struct trial *trial = calloc(1, sizeof *trial);

    *state = trial;
    trial->arena = arena_new();
    builder_init(&trial->builder, trial->bytes, sizeof trial->bytes);
    builder_begin(&trial->builder, 0);
    return 0;
}

static int trial_teardown(void **state)
{
    struct trial *trial = *state;

    arena_free(trial->arena);
    free(trial);
    return 0;
}

static void add(struct trial *trial, const char *name, const char *value)
{
    builder_string(&trial->builder, name);
    builder_string(&trial->builder, value);
}

static void version(struct trial *trial, uint16_t major, uint16_t minor)
{
    builder_u16(&trial->builder, major);
    builder_u16(&trial->builder, minor);
}

/* Parses from memory of exactly `available` bytes, so that a sanitizer sees one byte too many. */
static enum startup_result parse_some(struct trial *trial, size_t available)
{
    unsigned char *exact = malloc(available == 0 ? 1 : available);
    enum startup_result result;

    memcpy(exact, trial->bytes, available);
    result = startup_parse(exact, available, trial->arena, &trial->startup, &trial->used, &trial->fault);
    free(exact);
    return result;
}

static enum startup_result finish(struct trial *trial)
{
    builder_end(&trial->builder);
    assert_true(builder_ok(&trial->builder));
    return parse_some(trial, trial->builder.used);
}

static enum startup_result finish_session(struct trial *trial)
{
    builder_u8(&trial->builder, 0);
    return finish(trial);
}

static void a_session_has_user_database_and_parameters(void **state)
{
    struct trial *trial = *state;

    version(trial, 3, 0);
    add(trial, "user", "ann");
    add(trial, "database", "shop");
    add(trial, "application_name", "psql");
    add(trial, "options", "-c a=b");
    assert_int_equal(finish_session(trial), STARTUP_OK);
    assert_int_equal(trial->startup.kind, STARTUP_SESSION);
    assert_int_equal(trial->used, trial->builder.used);
    assert_string_equal(trial->startup.user, "ann");
    assert_string_equal(trial->startup.database, "shop");
    assert_string_equal(trial->startup.application_name, "psql");
    assert_int_equal(trial->startup.parameter_count, 4);
    assert_string_equal(trial->startup.parameters[3].name, "options");
    assert_string_equal(startup_get(&trial->startup, "options"), "-c a=b");
    assert_null(startup_get(&trial->startup, "Options"));
    assert_int_equal(trial->startup.replication, REPLICATION_NONE);
    assert_false(trial->startup.unknown_protocol_options);
}

static void every_prefix_needs_more_bytes(void **state)
{
    struct trial *trial = *state;

    version(trial, 3, 0);
    add(trial, "user", "ann");
    assert_int_equal(finish_session(trial), STARTUP_OK);
    for (size_t length = 0; length < trial->builder.used; length++)
        assert_int_equal(parse_some(trial, length), STARTUP_SHORT);
}

static void bytes_behind_the_packet_are_left_alone(void **state)
{
    struct trial *trial = *state;

    version(trial, 3, 0);
    add(trial, "user", "ann");
    assert_int_equal(finish_session(trial), STARTUP_OK);
    assert_int_equal(parse_some(trial, trial->builder.used + 100), STARTUP_OK);
    assert_int_equal(trial->used, trial->builder.used);
}

static void database_defaults_to_user(void **state)
{
    struct trial *trial = *state;

    version(trial, 3, 0);
    add(trial, "user", "ann");
    add(trial, "database", "");
    assert_int_equal(finish_session(trial), STARTUP_OK);
    assert_string_equal(trial->startup.database, "ann");
    assert_string_equal(trial->startup.application_name, "");
}

static void the_last_of_equal_names_counts(void **state)
{
    struct trial *trial = *state;

    version(trial, 3, 0);
    add(trial, "user", "ann");
    add(trial, "database", "one");
    add(trial, "user", "bob");
    add(trial, "database", "two");
    assert_int_equal(finish_session(trial), STARTUP_OK);
    assert_string_equal(trial->startup.user, "bob");
    assert_string_equal(trial->startup.database, "two");
    assert_int_equal(trial->startup.parameter_count, 4);
}

static void a_missing_or_empty_user_is_refused(void **state)
{
    struct trial *trial = *state;

    version(trial, 3, 0);
    add(trial, "database", "shop");
    add(trial, "user", "");
    assert_int_equal(finish_session(trial), STARTUP_BAD);
    assert_string_equal(trial->fault.sqlstate, "28000");
    assert_string_equal(trial->fault.message, "no PostgreSQL user name specified in startup packet");
}

static void long_names_are_cut_between_characters(void **state)
{
    struct trial *trial = *state;
    char user[101] = "", database[101] = "";

    memset(user, 'u', 100);
    memset(database, 'd', 100);
    memcpy(database + 61, "\xe2\x82\xac", 3); /* its last byte would be the 64th */
    version(trial, 3, 0);
    add(trial, "user", user);
    add(trial, "database", database);
    assert_int_equal(finish_session(trial), STARTUP_OK);
    assert_int_equal(strlen(trial->startup.user), 63);
    assert_int_equal(strlen(trial->startup.database), 61);
    assert_string_equal(startup_get(&trial->startup, "user"), user);
    assert_string_equal(startup_get(&trial->startup, "database"), database);
}

static void names_that_are_not_utf8_are_cut_at_63_bytes(void **state)
{
    struct trial *trial = *state;
    char user[101] = "";

    version(trial, 3, 0);
    add(trial, "user", memset(user, 0x80, 100));
    assert_int_equal(finish_session(trial), STARTUP_OK);
    assert_int_equal(strlen(trial->startup.user), 63);
}

static enum startup_result replicate(struct trial *trial, const char *value)
{
    builder_init(&trial->builder, trial->bytes, sizeof trial->bytes);
    builder_begin(&trial->builder, 0);
    version(trial, 3, 0);
    add(trial, "user", "ann");
    add(trial, "database", "replication");
    add(trial, "replication", value);
    return finish_session(trial);
}

static void replication_is_a_boolean_or_database(void **state)
{
    struct trial *trial = *state;
    static const char *const physical[] = { "true", "TRUE", "t", "1", "yes", "y", "on", "On" };
    static const char *const none[] = { "false", "f", "0", "no", "n", "of", "off" };

    for (size_t i = 0; i < sizeof physical / sizeof *physical; i++) {
        assert_int_equal(replicate(trial, physical[i]), STARTUP_OK);
        assert_int_equal(trial->startup.replication, REPLICATION_PHYSICAL);
        assert_string_equal(trial->startup.database, "");
    }
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        assert_int_equal(replicate(trial, none[i]), STARTUP_OK);
        assert_int_equal(trial->startup.replication, REPLICATION_NONE);
        assert_string_equal(trial->startup.database, "replication");
    }
    assert_int_equal(replicate(trial, "database"), STARTUP_OK);
    assert_int_equal(trial->startup.replication, REPLICATION_LOGICAL);
    assert_string_equal(trial->startup.database, "replication");
}

static void a_bad_replication_value_is_refused_as_the_server_does(void **state)
{
    struct trial *trial = *state;
    static const char *const bad[] = { "", "o", "2", "Database", "truee", "11", " on", "onn" };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(replicate(trial, bad[i]), STARTUP_BAD);
        assert_string_equal(trial->fault.sqlstate, "22023");
    }
    assert_int_equal(replicate(trial, "maybe"), STARTUP_BAD);
    assert_string_equal(trial->fault.message, "invalid value for parameter \"replication\": \"maybe\"");
    assert_string_equal(trial->fault.hint, "Valid values are: \"false\", 0, \"true\", 1, \"database\".");
}

static void newer_minors_and_protocol_options_are_flagged(void **state)
{
    struct trial *trial = *state;

    version(trial, 3, 2);
    add(trial, "user", "ann");
    assert_int_equal(finish_session(trial), STARTUP_OK);
    assert_false(trial->startup.unknown_protocol_options);
    trial->bytes[7] = 3;
    assert_int_equal(parse_some(trial, trial->builder.used), STARTUP_OK);
    assert_true(trial->startup.unknown_protocol_options);
    builder_init(&trial->builder, trial->bytes, sizeof trial->bytes);
    builder_begin(&trial->builder, 0);
    version(trial, 3, 0);
    add(trial, "_pq_.future", "1");
    add(trial, "user", "ann");
    assert_int_equal(finish_session(trial), STARTUP_OK);
    assert_true(trial->startup.unknown_protocol_options);
}

static void other_major_versions_are_refused(void **state)
{
    struct trial *trial = *state;

    version(trial, 2, 0);
    add(trial, "user", "ann");
    assert_int_equal(finish_session(trial), STARTUP_BAD);
    assert_string_equal(trial->fault.sqlstate, "0A000");
    assert_non_null(strstr(trial->fault.message, "frontend protocol 2.0: server supports 3.0 to 3.2"));
}

static void lengths_outside_the_limits_are_refused_at_once(void **state)
{
    struct trial *trial = *state;
    static const uint32_t lengths[] = { 0, 4, 7, STARTUP_MAX_BYTES + 1, 0x7fffffff, 0x80000000, 0xffffffff };

    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        builder_init(&trial->builder, trial->bytes, sizeof trial->bytes);
        builder_u32(&trial->builder, lengths[i]);
        assert_int_equal(parse_some(trial, 4), STARTUP_BAD);
        assert_string_equal(trial->fault.sqlstate, "08P01");
        assert_string_equal(trial->fault.message, "invalid length of startup packet");
    }
}

static void the_terminator_must_be_the_last_byte(void **state)
{
    struct trial *trial = *state;
    static const char *const bodies[] = { "", "user", "user\0ann", "user\0ann\0", "user\0ann\0\0more\0x\0" };
    static const size_t sizes[] = { 0, 4, 8, 9, 17 };

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        builder_init(&trial->builder, trial->bytes, sizeof trial->bytes);
        builder_begin(&trial->builder, 0);
        version(trial, 3, 0);
        builder_bytes(&trial->builder, bodies[i], sizes[i]);
        assert_int_equal(finish(trial), STARTUP_BAD);
        assert_string_equal(trial->fault.sqlstate, "08P01");
        assert_non_null(strstr(trial->fault.message, "layout: expected terminator as last byte"));
    }
}

static void the_largest_packet_is_accepted(void **state)
{
    struct trial *trial = *state;
    static char value[STARTUP_MAX_BYTES];

    version(trial, 3, 0);
    add(trial, "user", "ann");
    memset(value, 'x', STARTUP_MAX_BYTES - 8 - 9 - 2 - 1 - 1);
    add(trial, "o", value);
    assert_int_equal(finish_session(trial), STARTUP_OK);
    assert_int_equal(trial->used, STARTUP_MAX_BYTES);
}

static void too_many_parameters_are_refused(void **state)
{
    struct trial *trial = *state;

    version(trial, 3, 0);
    for (int i = 0; i < STARTUP_MAX_PARAMETERS; i++)
        add(trial, "user", "ann");
    assert_int_equal(finish_session(trial), STARTUP_OK);
    trial->builder.used--;
    trial->builder.open = 0;
    add(trial, "user", "ann");
    assert_int_equal(finish_session(trial), STARTUP_BAD);
    assert_string_equal(trial->fault.sqlstate, "54000");
}

static enum startup_result cancel(struct trial *trial, size_t key_bytes)
{
    static const unsigned char key[300] = { 1, 2, 3, 4 };

    builder_init(&trial->builder, trial->bytes, sizeof trial->bytes);
    write_cancel(&trial->builder, 0xfffffffe, key, key_bytes);
    return parse_some(trial, trial->builder.used);
}

static void cancel_keys_have_4_to_256_bytes(void **state)
{
    struct trial *trial = *state;

    assert_int_equal(cancel(trial, 4), STARTUP_OK);
    assert_int_equal(trial->startup.kind, STARTUP_CANCEL);
    assert_int_equal(trial->startup.cancel_pid, 0xfffffffe);
    assert_int_equal(trial->startup.cancel_key_bytes, 4);
    assert_memory_equal(trial->startup.cancel_key, "\1\2\3\4", 4);
    assert_int_equal(cancel(trial, 256), STARTUP_OK);
    assert_int_equal(trial->startup.cancel_key_bytes, 256);
    assert_int_equal(cancel(trial, 3), STARTUP_BAD);
    assert_int_equal(cancel(trial, 0), STARTUP_BAD);
    assert_int_equal(cancel(trial, 257), STARTUP_BAD);
    assert_string_equal(trial->fault.sqlstate, "08P01");
}

static void encryption_requests_have_8_bytes(void **state)
{
    struct trial *trial = *state;

    builder_u32(&trial->builder, 80877103);
    assert_int_equal(finish(trial), STARTUP_OK);
    assert_int_equal(trial->startup.kind, STARTUP_SSL);
    trial->bytes[7] = (unsigned char)(trial->bytes[7] + 1);
    assert_int_equal(parse_some(trial, 8), STARTUP_OK);
    assert_int_equal(trial->startup.kind, STARTUP_GSS);
    trial->bytes[3] = 9;
    assert_int_equal(parse_some(trial, 9), STARTUP_BAD);
    assert_string_equal(trial->fault.sqlstate, "08P01");
}

#define SENTENCE(name) cmocka_unit_test_setup_teardown(name, trial_setup, trial_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SENTENCE(a_session_has_user_database_and_parameters),
        SENTENCE(every_prefix_needs_more_bytes),
        SENTENCE(bytes_behind_the_packet_are_left_alone),
        SENTENCE(database_defaults_to_user),
        SENTENCE(the_last_of_equal_names_counts),
        SENTENCE(a_missing_or_empty_user_is_refused),
        SENTENCE(long_names_are_cut_between_characters),
        SENTENCE(names_that_are_not_utf8_are_cut_at_63_bytes),
        SENTENCE(replication_is_a_boolean_or_database),
        SENTENCE(a_bad_replication_value_is_refused_as_the_server_does),
        SENTENCE(newer_minors_and_protocol_options_are_flagged),
        SENTENCE(other_major_versions_are_refused),
        SENTENCE(lengths_outside_the_limits_are_refused_at_once),
        SENTENCE(the_terminator_must_be_the_last_byte),
        SENTENCE(the_largest_packet_is_accepted),
        SENTENCE(too_many_parameters_are_refused),
        SENTENCE(cancel_keys_have_4_to_256_bytes),
        SENTENCE(encryption_requests_have_8_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
