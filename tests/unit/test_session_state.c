/* SPDX-License-Identifier: PostgreSQL
 * test_session_state - what is done about session state is set by a word or by kind, for all or a route. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/pins.h"
#include "conf/session_state.h"
#include "tests/unit/config_text.h"

#define ROUTE "routes = ( { name = \"web\"; mode = \"transaction\"; %s } );\n"

/* The options of the only route, whose line 4 is as given; the snapshot is the caller's. */
static struct snapshot *with_route(const char *defaults, const char *route)
{
    char text[4096];

    snprintf(text, sizeof text, CONFIG_BASE ROUTE "defaults = { %s };\n", route, defaults);
    return config_text_valid(text);
}

static void state_is(const char *defaults, const char *route, const char *expected)
{
    struct snapshot *snapshot = with_route(defaults, route);
    char text[512];

    session_state_to_text(&snapshot->routes[0].pool.session_state, text, sizeof text);
    assert_string_equal(text, expected);
    snapshot_release(snapshot);
}

static void refused(const char *route, const char *sentence)
{
    char text[4096], said[4096];

    snprintf(text, sizeof text, CONFIG_BASE ROUTE, route);
    assert_null(config_text_load(text, said, sizeof said));
    if (strstr(said, sentence) == NULL)
        fail_msg("expected \"%s\" in:\n%s", sentence, said);
}

static void everything_is_pinned_without_a_word(void **state)
{
    struct snapshot *snapshot = with_route("", "");
    const struct pool_options *pool = &snapshot->routes[0].pool;

    (void)state;
    assert_int_equal(pool->session_state.refused, 0);
    assert_int_equal(pool->session_state.allowed, 0);
    assert_int_equal(pool->max_pinned, 0);
    assert_int_equal(pool->isolation, ISOLATION_NORMAL);
    snapshot_release(snapshot);
    state_is("", "", "pin");
}

static void one_word_is_for_every_kind(void **state)
{
    struct snapshot *snapshot = with_route("", "session_state = \"refuse\";");
    const struct session_state *policy = &snapshot->routes[0].pool.session_state;

    (void)state;
    assert_int_equal(policy->allowed, 0);
    for (enum pin_reason reason = PIN_NONE; reason < PIN_REASONS; reason++)
        assert_int_equal((policy->refused >> reason & 1) != 0, *pin_reason_policy(reason) != '\0');
    snapshot_release(snapshot);
    state_is("", "session_state = \"allow\";", "allow");
    state_is("session_state = \"allow\";", "", "allow");
    state_is("session_state = \"allow\";", "session_state = \"pin\";", "pin");
}

static void kinds_have_words_of_their_own(void **state)
{
    (void)state;
    state_is("",
             "session_state = { temporary = \"refuse\"; sequence = \"allow\"; advisory_lock = \"pin\"; };",
             "temporary=refuse, advisory_lock=pin, sequence=allow, default=pin");
    state_is("", "session_state = { setting = \"pin\"; default = \"refuse\"; };",
             "setting=pin, prepare=refuse, "
             "listen=refuse, temporary=refuse, advisory_lock=refuse, hold_cursor=refuse, "
             "sequence=refuse, seed=refuse, load=refuse, dblink=refuse, origin=refuse, backend_pid=refuse, "
             "statistics=refuse, anonymous_code=refuse, default=pin");
    state_is("", "session_state = { };", "pin");
}

static void kinds_that_a_route_does_not_name_stay_as_in_defaults(void **state)
{
    (void)state;
    state_is("session_state = { temporary = \"refuse\"; seed = \"allow\"; };",
             "session_state = { seed = \"pin\"; load = \"allow\"; };",
             "temporary=refuse, seed=pin, load=allow, default=pin");
    state_is("session_state = { temporary = \"refuse\"; };",
             "session_state = { load = \"allow\"; default = \"pin\"; };", "load=allow, default=pin");
}

static void reasons_of_one_kind_go_together(void **state)
{
    struct snapshot *snapshot = with_route("", "session_state = { setting = \"refuse\"; };");

    (void)state;
    assert_int_equal(snapshot->routes[0].pool.session_state.refused,
                     PIN_BIT(SETTING) | PIN_BIT(UNKNOWN_SETTING));
    snapshot_release(snapshot);
}

static void limits_and_isolation_are_read(void **state)
{
    struct snapshot *snapshot = with_route("max_pinned = 7;", "isolation = \"strict\";");

    (void)state;
    assert_int_equal(snapshot->routes[0].pool.max_pinned, 7);
    assert_int_equal(snapshot->routes[0].pool.isolation, ISOLATION_STRICT);
    assert_int_equal(snapshot->defaults.isolation, ISOLATION_NORMAL);
    snapshot_release(snapshot);
}

static void mistakes_are_told_with_their_lines(void **state)
{
    (void)state;
    refused("session_state = \"refuze\";",
            "test.conf:4: session_state in route \"web\": expected one of \"pin\", \"refuse\", \"allow\", "
            "or a group of them by kind, such as { temporary = \"refuse\"; default = \"pin\"; }, found the "
            "string \"refuze\"");
    refused("session_state = 1;", "found the number 1");
    refused("session_state = {\n temprary = \"pin\"; };",
            "test.conf:5: temprary in session_state in route \"web\": unknown setting; did you mean "
            "\"temporary\"?");
    refused("session_state = {\n temporary =\n \"pinned\"; };",
            "temporary in session_state in route \"web\": expected one of \"pin\", \"refuse\", \"allow\", "
            "found the string \"pinned\"");
    refused("session_state = { temporary = { }; };", "found a group");
    refused("max_pinned = -1;", "max_pinned in route \"web\": expected a whole number from 0 to 10000");
    refused("isolation = \"tight\";", "isolation in route \"web\": expected one of \"normal\", \"strict\"");
    refused("max_pined = 1;", "did you mean \"max_pinned\"?");
}

static int remove_files(void **state)
{
    static const char *const names[] = {"test.conf"};

    (void)state;
    config_text_end(names, 1);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_pinned_without_a_word),
        cmocka_unit_test(one_word_is_for_every_kind),
        cmocka_unit_test(kinds_have_words_of_their_own),
        cmocka_unit_test(kinds_that_a_route_does_not_name_stay_as_in_defaults),
        cmocka_unit_test(reasons_of_one_kind_go_together),
        cmocka_unit_test(limits_and_isolation_are_read),
        cmocka_unit_test(mistakes_are_told_with_their_lines),
    };

    return cmocka_run_group_tests(tests, NULL, remove_files);
}
