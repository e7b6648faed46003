/* SPDX-License-Identifier: PostgreSQL
 * test_profile - clients with the same startup parameters share one profile, whatever the order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "conf/types.h"
#include "router/profile.h"

static struct profiles profiles;

static int open_profiles(void **state)
{
    (void)state;
    profiles_open(&profiles);
    return 0;
}

static int close_profiles(void **state)
{
    (void)state;
    profiles_close(&profiles);
    return 0;
}

#define PARAMETERS(...) (struct startup_parameter[]){ __VA_ARGS__, { NULL, NULL } }
#define SETTINGS(...) (struct pair[]){ __VA_ARGS__, { NULL, NULL } }

/* Interns the parameters with the route's settings; both lists end with a NULL name, settings may be NULL. */
static struct profile *intern(struct startup_parameter *parameters, struct pair *items)
{
    struct startup startup = { .user = "u", .database = "d", .parameters = parameters };
    struct pairs settings = { .items = items };

    while (parameters[startup.parameter_count].name != NULL)
        startup.parameter_count++;
    while (items != NULL && items[settings.count].name != NULL)
        settings.count++;
    return profiles_intern(&profiles, &startup, &settings);
}

static const char *value_of(const struct profile *profile, const char *name)
{
    for (size_t i = 0; i < profile->count; i++)
        if (strcmp(profile->parameters[i].name, name) == 0)
            return profile->parameters[i].value;
    return NULL;
}

static void the_order_of_the_parameters_does_not_matter(void **state)
{
    struct profile *a = intern(PARAMETERS({"user", "u"}, {"DateStyle", "ISO"}, {"TimeZone", "UTC"}), NULL);
    struct profile *b = intern(PARAMETERS({"TimeZone", "UTC"}, {"user", "u"}, {"DateStyle", "ISO"}), NULL);

    (void)state;
    assert_non_null(a);
    assert_ptr_equal(a, b);
    assert_int_equal(a->count, 2);
}

static void other_values_or_names_are_other_profiles(void **state)
{
    struct profile *found[] = {
        intern(PARAMETERS({ "user", "u" }), NULL),
        intern(PARAMETERS({ "TimeZone", "UTC" }), NULL),
        intern(PARAMETERS({ "TimeZone", "utc" }), NULL),
        intern(PARAMETERS({ "TimeZone", "" }), NULL),
        intern(PARAMETERS({ "TimeZon", "eUTC" }), NULL),
        intern(PARAMETERS({ "TimeZone", "UTC" }, { "DateStyle", "ISO" }), NULL),
        intern(PARAMETERS({ "options", "-c TimeZone=UTC" }), NULL),
    };
    size_t count = sizeof found / sizeof *found;

    (void)state;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            assert_ptr_not_equal(found[i], found[j]);
    assert_int_equal(profiles.table.count, count);
}

static void who_where_and_which_program_are_not_part_of_it(void **state)
{
    struct profile *a = intern(PARAMETERS({ "user", "u" }, { "database", "d" }, { "application_name", "web" },
                                          { "_pq_.x", "1" }, { "TimeZone", "UTC" }), NULL);
    struct profile *b = intern(PARAMETERS({ "user", "v" }, { "application_name", "worker" },
                                          { "TimeZone", "UTC" }), NULL);

    (void)state;
    assert_ptr_equal(a, b);
    assert_int_equal(a->count, 1);
    assert_null(value_of(a, "application_name"));
    assert_null(value_of(a, "user"));
    assert_null(value_of(a, "_pq_.x"));
}

static void the_last_of_equal_names_counts(void **state)
{
    struct profile *twice = intern(PARAMETERS({ "TimeZone", "CET" }, { "timezone", "UTC" }), NULL);

    (void)state;
    assert_int_equal(twice->count, 1);
    assert_string_equal(value_of(twice, "timezone"), "UTC");
    assert_ptr_equal(twice, intern(PARAMETERS({ "timezone", "UTC" }), NULL));
}

static void settings_of_the_route_lie_beneath_the_clients_own(void **state)
{
    struct pair *settings = SETTINGS({ "statement_timeout", "30s" }, { "lock_timeout", "5s" });
    struct profile *silent = intern(PARAMETERS({ "user", "u" }), settings);
    struct profile *own = intern(PARAMETERS({ "Statement_Timeout", "1min" }), settings);

    (void)state;
    assert_int_equal(silent->count, 2);
    assert_string_equal(value_of(silent, "statement_timeout"), "30s");
    assert_int_equal(own->count, 2);
    assert_string_equal(value_of(own, "Statement_Timeout"), "1min");
    assert_string_equal(value_of(own, "lock_timeout"), "5s");
    assert_ptr_equal(silent, intern(PARAMETERS({"lock_timeout", "5s"}, {"statement_timeout", "30s"}), NULL));
}

static void a_profile_does_not_borrow_the_startup_packet(void **state)
{
    char name[] = "TimeZone", value[] = "UTC";
    struct profile *profile = intern(PARAMETERS({ name, value }), NULL);

    (void)state;
    memset(name, 'x', sizeof name - 1);
    memset(value, 'x', sizeof value - 1);
    assert_string_equal(value_of(profile, "TimeZone"), "UTC");
}

static void there_are_only_so_many_profiles(void **state)
{
    struct profile *first = NULL;
    char value[16];

    (void)state;
    for (int i = 0; i < PROFILES_MAX; i++) {
        struct profile *profile;

        snprintf(value, sizeof value, "%d", i);
        profile = intern(PARAMETERS({ "work_mem", value }), NULL);
        assert_non_null(profile);
        first = first == NULL ? profile : first;
    }
    assert_null(intern(PARAMETERS({ "work_mem", "one more" }), NULL));
    assert_ptr_equal(intern(PARAMETERS({ "work_mem", "0" }), NULL), first);
}

static void many_parameters_and_settings_fit(void **state)
{
    struct startup_parameter parameters[STARTUP_MAX_PARAMETERS + 1];
    struct pair settings[STARTUP_MAX_PARAMETERS + 1];
    static char names[2 * STARTUP_MAX_PARAMETERS][16];
    struct profile *profile;

    (void)state;
    for (size_t i = 0; i < STARTUP_MAX_PARAMETERS; i++) {
        snprintf(names[2 * i], sizeof names[0], "own.p%zu", i);
        snprintf(names[2 * i + 1], sizeof names[0], "route.p%zu", i);
        parameters[i] = (struct startup_parameter){ names[2 * i], "1" };
        settings[i] = (struct pair){ names[2 * i + 1], "2" };
    }
    parameters[STARTUP_MAX_PARAMETERS].name = settings[STARTUP_MAX_PARAMETERS].name = NULL;
    profile = intern(parameters, settings);
    assert_non_null(profile);
    assert_int_equal(profile->count, 2 * STARTUP_MAX_PARAMETERS);
    for (size_t i = 0; i < profile->count; i++)
        assert_string_equal(value_of(profile, names[i]), i % 2 == 0 ? "1" : "2");
}

static void the_newest_welcome_is_the_one_that_is_read(void **state)
{
    struct profile *profile = intern(PARAMETERS({ "user", "u" }), NULL);
    const struct welcome *first;

    (void)state;
    assert_null(atomic_load(&profile->welcome));
    profile_set_welcome(&profiles, profile, "abc", 3, 1);
    first = atomic_load(&profile->welcome);
    assert_int_equal(first->length, 3);
    profile_set_welcome(&profiles, profile, "abc", 3, 1);
    assert_ptr_equal(atomic_load(&profile->welcome), first);
    profile_set_welcome(&profiles, profile, "abcd", 4, 2);
    assert_memory_equal(atomic_load(&profile->welcome)->bytes, "abcd", 4);
    assert_memory_equal(first->bytes, "abc", 3); /* who read it before may still do so */
}

static void what_another_process_told_is_kept_behind_the_newest_welcome(void **state)
{
    struct profile *profile = intern(PARAMETERS({ "user", "u" }), NULL);
    const struct welcome *first, *second;

    (void)state;
    first = profile_remember_welcome(&profiles, profile, "one", 3);
    assert_ptr_equal(atomic_load(&profile->welcome), first);
    profile_set_welcome(&profiles, profile, "two", 3, 1);
    second = profile_remember_welcome(&profiles, profile, "six", 3);
    assert_memory_equal(second->bytes, "six", 3);
    assert_memory_equal(atomic_load(&profile->welcome)->bytes, "two", 3);
    assert_ptr_equal(profile_remember_welcome(&profiles, profile, "one", 3), first);
    assert_ptr_equal(profile_remember_welcome(&profiles, profile, "six", 3), second);
    assert_ptr_equal(profile_remember_welcome(&profiles, profile, "two", 3), atomic_load(&profile->welcome));
}

#define with_profiles(test) cmocka_unit_test_setup_teardown(test, open_profiles, close_profiles)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_profiles(the_order_of_the_parameters_does_not_matter),
        with_profiles(other_values_or_names_are_other_profiles),
        with_profiles(who_where_and_which_program_are_not_part_of_it),
        with_profiles(the_last_of_equal_names_counts),
        with_profiles(settings_of_the_route_lie_beneath_the_clients_own),
        with_profiles(a_profile_does_not_borrow_the_startup_packet),
        with_profiles(there_are_only_so_many_profiles),
        with_profiles(many_parameters_and_settings_fit),
        with_profiles(the_newest_welcome_is_the_one_that_is_read),
        with_profiles(what_another_process_told_is_kept_behind_the_newest_welcome),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
