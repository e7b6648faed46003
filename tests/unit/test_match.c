/* SPDX-License-Identifier: PostgreSQL
 * test_match - patterns and networks match what they say, and routes say why they do not match. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>

#include "conf/pattern.h"
#include "router/classify.h"
#include "router/match.h"
#include "tests/unit/config_text.h"

static struct sockaddr_storage address_of(const char *text)
{
    struct sockaddr_storage storage = { 0 };
    struct sockaddr_in v4 = { .sin_family = AF_INET };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };

    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        memcpy(&storage, &v4, sizeof v4);
    else if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1)
        memcpy(&storage, &v6, sizeof v6);
    return storage;
}

static void globs_match_whole_texts(void **state)
{
    static const struct {
        const char *glob, *text;
        bool matches;
    } rows[] = {
        { "", "", true },
        { "*", "", true },
        { "", "a", false },
        { "a", "a", true },
        { "a", "ab", false },
        { "a*", "a", true },
        { "*_job", "x_job", true },
        { "*_job", "_jobs", false },
        { "a?c", "abc", true },
        { "a?c", "ac", false },
        { "*a*b*", "xxaxxbxx", true },
        { "*ab", "aab", true },
        { "**", "x", true },
        { "a*b?d", "abbcd", true },
        { "[a]", "a", false },
        { "A", "a", false },
    };
    char many[5001];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (glob_matches(rows[i].glob, rows[i].text) != rows[i].matches)
            fail_msg("\"%s\" and \"%s\"", rows[i].glob, rows[i].text);
    memset(many, 'a', 5000);
    many[5000] = '\0';
    assert_false(glob_matches("*a*a*a*a*a*a*a*a*b", many));
}

static void regular_expressions_follow_a_tilde(void **state)
{
    struct pattern pattern;
    char why[256];

    (void)state;
    assert_true(pattern_compile(&pattern, "~^app_[0-9]+$", why, sizeof why));
    assert_true(pattern_matches(&pattern, "app_17"));
    assert_false(pattern_matches(&pattern, "app_x"));
    pattern_free(&pattern);
    assert_false(pattern_compile(&pattern, "~[", why, sizeof why));
    assert_false(pattern_compile(&pattern, "~(a)\\1", why, sizeof why));
    assert_false(pattern_compile(&pattern, "~((a{100}){100}){100}", why, sizeof why));
    assert_false(pattern_compile(&pattern, "~a{1,40000}", why, sizeof why));
    assert_true(pattern_compile(&pattern, "~a{1,400}", why, sizeof why));
    pattern_free(&pattern);
}

static void networks_match_addresses(void **state)
{
    static const struct {
        const char *network, *address;
        bool matches;
    } rows[] = {
        { "10.0.0.0/8", "10.255.1.2", true },    { "10.0.0.0/8", "11.0.0.1", false },
        { "10.0.0.7", "10.0.0.7", true },        { "10.0.0.7", "10.0.0.6", false },
        { "0.0.0.0/0", "1.2.3.4", true },        { "0.0.0.0/0", "::1", false },
        { "10.0.0.128/25", "10.0.0.129", true }, { "10.0.0.128/25", "10.0.0.127", false },
        { "fd00::/8", "fdff::1", true },         { "fd00::/8", "fe00::1", false },
        { "10.0.0.0/8", "::ffff:10.1.1.1", true }, { "::/0", "::1", true },
        { "local", "", true },                   { "local", "127.0.0.1", false },
        { "127.0.0.1", "", false },
    };
    static const char *const bad[] = { "",          "10.0.0/8",    "10.0.0.0/33", "::/129",
                                       "10.0.0.0/", "10.0.0.0/8x", "host",        "/8" };
    struct pattern pattern;
    char why[256];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sockaddr_storage address = address_of(rows[i].address);
        const struct sockaddr *shown = *rows[i].address == '\0' ? NULL : (const struct sockaddr *)&address;

        assert_true(pattern_compile_address(&pattern, rows[i].network, why, sizeof why));
        if (pattern_matches_address(&pattern, shown) != rows[i].matches)
            fail_msg("%s and %s", rows[i].network, rows[i].address);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(pattern_compile_address(&pattern, bad[i], why, sizeof why));
}

/* One route with these conditions against alice on app, from 10.1.2.3, as psql with a client_encoding. */
static void asked(const char *route, const char *expected)
{
    struct startup_parameter parameters[] = { { "client_encoding", "UTF8" } };
    struct startup startup = { .user = "alice", .database = "app", .application_name = "psql",
                               .parameters = parameters, .parameter_count = 1 };
    struct sockaddr_storage address = address_of("10.1.2.3");
    struct snapshot *snapshot;
    struct connection_facts facts = { .startup = &startup, .address = (const struct sockaddr *)&address };
    char text[1024], why[512] = "it matches";

    snprintf(text, sizeof text, "%sroutes = ( { name = \"r\"; mode = \"direct\"; match = { %s }; } );",
             CONFIG_BASE, route);
    snapshot = config_text_valid(text);
    facts.listener = &snapshot->listeners[0];
    assert_int_equal(match_accepts(&snapshot->routes[0], &facts, CLASS_APP, why, sizeof why),
                     strcmp(expected, "it matches") == 0);
    assert_string_equal(why, expected);
    snapshot_release(snapshot);
}

static void every_key_is_asked(void **state)
{
    (void)state;
    asked("", "it matches");
    asked("user = \"ali*\"; database = [ \"x\", \"app\" ]; application_name = \"~^psql$\"; replication = "
          "false; "
          "listener = \"pooled\"; client_addr = \"10.0.0.0/8\"; tls = false; class = \"app\"; "
          "parameters = { client_encoding = [ \"LATIN1\", \"UTF8\" ]; };",
          "it matches");
    asked("user = \"bob\";", "user \"alice\" is not \"bob\"");
    asked("user = [ \"bob\", \"eve\" ];", "user \"alice\" is none of \"bob\", \"eve\"");
    asked("database = \"~^app.$\";", "database \"app\" is not \"~^app.$\"");
    asked("application_name = \"\";", "application_name \"psql\" is not \"\"");
    asked("replication = true;", "replication \"false\" is not \"true\"");
    asked("listener = \"direct\";", "listener \"pooled\" is not \"direct\"");
    asked("client_addr = [ \"local\", \"11.0.0.0/8\" ];", "client_addr \"10.1.2.3\" is none of \"local\", "
                                                          "\"11.0.0.0/8\"");
    asked("tls = true;", "tls \"false\" is not \"true\"");
    asked("class = \"dump\";", "class \"app\" is not \"dump\"");
    asked("parameters = { client_encoding = \"LATIN1\"; };", "client_encoding \"UTF8\" is not \"LATIN1\"");
    asked("parameters = { options = \"*\"; };", "the startup packet has no parameter \"options\"");
}

static int remove_files(void **state)
{
    static const char *const names[] = { "test.conf" };

    (void)state;
    config_text_end(names, 1);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(globs_match_whole_texts),
        cmocka_unit_test(regular_expressions_follow_a_tilde),
        cmocka_unit_test(networks_match_addresses),
        cmocka_unit_test(every_key_is_asked),
    };

    return cmocka_run_group_tests(tests, NULL, remove_files);
}
