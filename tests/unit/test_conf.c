/* SPDX-License-Identifier: PostgreSQL
 * test_conf - every mistake in a configuration is told with file and line, and all of them at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/endpoint.h"
#include "conf/nearest.h"
#include "conf/options.h"
#include "conf/row.h"
#include "gateway/base/arena.h"
#include "tests/unit/config_text.h"

/* The text is refused, and what is said contains each of the sentences. */
static void refused(const char *text, const char *const *sentences)
{
    char said[8192];
    struct snapshot *snapshot = config_text_load(text, said, sizeof said);

    assert_null(snapshot);
    for (; *sentences != NULL; sentences++)
        if (strstr(said, *sentences) == NULL)
            fail_msg("expected \"%s\" in:\n%s", *sentences, said);
}

#define REFUSED(text, ...) refused(text, (const char *const[]){ __VA_ARGS__, NULL })

static void durations_need_a_unit(void **state)
{
    uint64_t us = 0;

    (void)state;
    assert_true(duration_from_text("500ms", &us) && us == 500000);
    assert_true(duration_from_text("10min", &us) && us == 600000000);
    assert_true(duration_from_text("1d", &us) && us == UINT64_C(86400000000));
    assert_true(duration_from_text("7us", &us) && us == 7);
    assert_true(duration_from_text("2 h", &us) && us == UINT64_C(7200000000));
    assert_false(duration_from_text("30", &us));
    assert_false(duration_from_text("", &us));
    assert_false(duration_from_text("s", &us));
    assert_false(duration_from_text("-1s", &us));
    assert_false(duration_from_text("1.5s", &us));
    assert_false(duration_from_text("1S", &us));
    assert_false(duration_from_text("99999999999999999999s", &us));
    assert_false(duration_from_text("9223372036854775807d", &us));
}

static void sizes_need_a_unit(void **state)
{
    int64_t bytes = 0;

    (void)state;
    assert_true(size_from_text("64kB", &bytes) && bytes == 65536);
    assert_true(size_from_text("100MB", &bytes) && bytes == 104857600);
    assert_true(size_from_text("0B", &bytes) && bytes == 0);
    assert_false(size_from_text("64", &bytes));
    assert_false(size_from_text("64kb", &bytes));
    assert_false(size_from_text("9999999999TB", &bytes));
}

static void defaults_fit_their_own_rows(void **state)
{
    struct arena *arena = arena_new();

    (void)state;
    for (int scope = 0; scope < OPTION_SCOPES; scope++) {
        char room[4096] = { 0 }, text[512];
        size_t count;
        const struct conf_row *rows = options_rows((enum option_scope)scope, &count);

        rows_defaults(rows, count, room, arena);
        for (size_t i = 0; i < count; i++) {
            if (rows[i].fallback == NULL || rows[i].fallback == conf_required)
                continue;
            row_to_text(&rows[i], room, text, sizeof text);
            assert_string_equal(text, rows[i].fallback);
        }
    }
    arena_free(arena);
}

static void near_names_are_suggested(void **state)
{
    static const char *const names[] = { "listeners", "upstreams", "routes", "defaults" };

    (void)state;
    assert_string_equal(nearest_name("listner", names, 4), "listeners");
    assert_string_equal(nearest_name("rotues", names, 4), "routes");
    assert_null(nearest_name("http", names, 4));
    assert_null(nearest_name("", names, 4));
}

static void endpoints_are_checked(void **state)
{
    static const char *const good[] = {"127.0.0.1:6432", "127.0.0.1:0", "0.0.0.0:1", "[::1]:65535",
                                       "/run/s.sock"};
    static const char *const bad[] = {
        "",         ":",     "6432",     "127.0.0.1", "127.0.0.1:",     "127.0.0.1:-1",    "127.0.0.1:65536",
        "::1:6432", "[::1]", "[::1]x:1", "[::1",      "localhost:6432", "127.0.0.1:6432x", "[127.0.0.1]:1",
        "a b:1"
    };
    struct arena *arena = arena_new();
    char why[256], deep[200] = "/";

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(endpoint_listens(good[i], why, sizeof why));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(endpoint_listens(bad[i], why, sizeof why));
    memset(deep + 1, 'x', 150);
    assert_false(endpoint_listens(deep, why, sizeof why));
    assert_null(endpoint_host(deep, arena, why, sizeof why));
    assert_string_equal(endpoint_host("db1", arena, why, sizeof why), "db1:5432");
    assert_string_equal(endpoint_host("db1:6000", arena, why, sizeof why), "db1:6000");
    assert_string_equal(endpoint_host("[::1]", arena, why, sizeof why), "[::1]:5432");
    assert_string_equal(endpoint_host("[::1]:7", arena, why, sizeof why), "[::1]:7");
    assert_string_equal(endpoint_host("/run/pg", arena, why, sizeof why), "/run/pg:5432");
    assert_string_equal(endpoint_host("/run/pg:5433", arena, why, sizeof why), "/run/pg:5433");
    assert_null(endpoint_host("", arena, why, sizeof why));
    assert_null(endpoint_host("a:b:c", arena, why, sizeof why));
    assert_null(endpoint_host("db 1:5432", arena, why, sizeof why));
    assert_null(endpoint_host("db1:99999", arena, why, sizeof why));
    arena_free(arena);
}

static void all_problems_are_told_with_their_lines(void **state)
{
    (void)state;
    REFUSED(CONFIG_BASE "defaults = { default_pool_size = \"20\";\n query_wait_timeout = 120;\n"
                        " server_idle_timeout = \"1week\";\n min_pool_size = -1;\n on_wrong_port = "
                        "\"ignore\";\n"
                        " defualt_pool_size = 3; };\n",
            "test.conf:4: default_pool_size in defaults: expected a whole number from 1 to 10000, found the "
            "string "
            "\"20\"; write it without quotes\n",
            "test.conf:5: query_wait_timeout in defaults: expected a duration with its unit",
            "found the number 120; add the unit and quotes\n", "test.conf:6: server_idle_timeout",
            "found the string \"1week\"", "test.conf:7: min_pool_size", "found the number -1",
            "test.conf:8: on_wrong_port in defaults: expected one of \"move\", \"refuse\", \"warn\", found "
            "the string "
            "\"ignore\"",
            "test.conf:9: defualt_pool_size in defaults: unknown setting; did you mean "
            "\"default_pool_size\"?");
}

static void unknown_groups_are_told(void **state)
{
    (void)state;
    REFUSED(CONFIG_BASE "shapes = { a = 1; };\nquotas = { };\nhttp = { };\nworker = 2;\n",
            "test.conf:4: shapes: unknown group; this version has no such name, remove it",
            "test.conf:5: quotas: unknown", "test.conf:6: http: unknown group",
            "test.conf:7: worker: unknown setting; did you mean \"workers\"?");
}

static void listeners_and_upstreams_are_needed(void **state)
{
    (void)state;
    REFUSED("", "test.conf: there is no listener; add one", "test.conf: there is no upstream; say where");
    REFUSED("listeners = ( );\nupstreams = { };\n", "test.conf:1: listeners: expected at least one",
            "test.conf:2: upstreams: expected a list of groups");
    REFUSED(CONFIG_UPSTREAMS "listeners = ( 5, { } );\n",
            "test.conf:2: listener 1: expected a group in braces",
            "test.conf:2: listener 2: `name` is missing", "listener 2: `listen` is missing",
            "listener 2: `mode` is missing");
}

static void names_are_unique_and_plain(void **state)
{
    (void)state;
    REFUSED("listeners = ( { name = \"a\"; listen = \"127.0.0.1:1\"; mode = \"direct\"; },\n"
            "{ name = \"a\"; listen = [ \"127.0.0.1:1\", \"nonsense\" ]; mode = \"pool\"; } );\n"
            "upstreams = ( { name = \"m\"; hosts = [ ]; },\n{ name = \"m\"; hosts = \"h\"; } );\n"
            "routes = ( { name = \"r 1\"; mode = \"direct\"; upstream = \"mm\"; },\n"
            "{ name = \"(direct)\"; mode = \"direct\"; }, { name = \"x\"; mode = \"direct\"; },\n"
            "{ name = \"x\"; mode = \"direct\"; } );\n",
            "test.conf:2: name in listener \"a\": the listener on line 1 has this name too",
            "\"127.0.0.1:1\" is listened on twice", "found \"nonsense\"",
            "test.conf:2: mode in listener \"a\"", "test.conf:3: hosts in upstream \"m\"",
            "test.conf:4: name in upstream \"m\": another upstream",
            "test.conf:5: name in route \"r 1\": expected letters, digits",
            "test.conf:6: name in route \"(direct)\": expected letters",
            "test.conf:5: upstream in route \"r 1\": there is no upstream \"mm\"",
            "test.conf:7: name in route \"x\": the route on line 6 has this name too");
}

static void routes_are_checked(void **state)
{
    (void)state;
    REFUSED(CONFIG_BASE
            "routes = ( { name = \"a\"; mode = \"transaction\"; match = { class = \"dump\"; }; },\n"
            "{ name = \"b\"; mode = \"direct\"; match = { class = \"dumps\"; user = \"~(\"; }; },\n"
            "{ name = \"c\"; mode = \"direct\"; match = { client_addr = \"10.0.0/8\"; tls = \"on\"; }; },\n"
            "{ name = \"d\"; mode = \"direct\"; match = { usr = \"x\"; replication = 7; }; },\n"
            "{ name = \"e\"; mode = \"direct\"; settings = { user = \"x\"; }; min_pool_size = 30; },\n"
            "{ name = \"f\"; mode = \"direct\"; match = { user = \"~(a)\\\\1\"; database = \"~a{900}{9}\"; "
            "}; },\n"
            "{ name = \"h\"; settings = [ \"a b=c\", \"User=x\" ]; mode = \"direct\"; },\n"
            "{ name = \"i\"; settings = [ \"a\" ]; mode = \"direct\"; },\n"
            "{ name = \"g\"; settings = { a = { }; }; mode = \"direct\"; match = \"x\"; } );\n",
            "test.conf:4: mode in route \"a\": the class dump cannot share servers",
            "test.conf:5: class in match in route \"b\": expected one of app, dump",
            "test.conf:5: user in match in route \"b\": the regular expression is not valid",
            "test.conf:6: client_addr in match in route \"c\": expected an address",
            "test.conf:6: tls in match in route \"c\": expected true or false, found \"on\"",
            "test.conf:7: usr in match in route \"d\": unknown setting; did you mean \"user\"?",
            "test.conf:7: replication in match in route \"d\"",
            "test.conf:8: settings in route \"e\": \"user\" is not a setting",
            "test.conf:8: min_pool_size in route \"e\": min_pool_size is 30 and default_pool_size only 20",
            "test.conf:9: user in match in route \"f\": the regular expression is not usable: "
            "back-references",
            "test.conf:9: database in match in route \"f\": the regular expression is not usable: its "
            "counted",
            "test.conf:10: settings in route \"h\": expected names of letters, digits, `_` and `.`, found "
            "\"a b\"",
            "test.conf:10: settings in route \"h\": \"User\" is not a setting",
            "test.conf:11: settings in route \"i\": expected names and values", "found an array of 1",
            "test.conf:12: settings in route \"g\"", "test.conf:12: match in route \"g\": expected a group");
}

static void authentication_is_checked(void **state)
{
    (void)state;
    REFUSED(CONFIG_BASE "auth = { auth_type = \"scram-sha-256\"; };", "test.conf:4: auth_type in auth: "
                                                                      "\"scram-sha-256\"");
    REFUSED(CONFIG_BASE "auth = { auth_file = \"no-such\"; };", "test.conf:4: auth_file in auth: expected a "
                                                                "file");
    REFUSED(CONFIG_BASE "auth = { auth_type = \"sha1\"; auth_file = \"/\"; };",
            "auth_type in auth: expected one of", "auth_file in auth: expected a regular file");
}

static void encryption_is_checked(void **state)
{
    (void)state;
    REFUSED(CONFIG_BASE "tls = { server_tls_sslmode = \"verify-ca\"; };",
            "test.conf:4: server_tls_sslmode in tls: \"verify-ca\" with the system's authorities");
    REFUSED(CONFIG_BASE "tls = { client_tls_sslmode = \"require\"; };",
            "client_tls_sslmode in tls: \"require\" needs a certificate; add client_tls_key_file");
    REFUSED(CONFIG_BASE "tls = { server_tls_negotiation = \"direct\"; };",
            "server_tls_negotiation in tls: \"direct\" cannot fall back");
    REFUSED(CONFIG_BASE "tls = { client_tls_key_file = \"no-such\"; };",
            "client_tls_key_file in tls: expected a file that can be read", "a key needs its certificate");
    REFUSED(CONFIG_BASE "auth = { auth_type = \"cert\"; };", "\"cert\" checks the certificates of clients");
    REFUSED(CONFIG_BASE "auth = { auth_type = \"hba\"; };", "\"hba\" goes by a file of rules");
}

static void syntax_errors_have_a_line(void **state)
{
    (void)state;
    REFUSED("workers = 1;\nlisteners = (\n", "test.conf:");
    REFUSED("workers = 1;\nx = ;\n", "test.conf:2: syntax error", "at or before \"x = ;\"");
    REFUSED("workers = 1;\n\nworkers = 2;\n", "test.conf:3: a setting stands twice in one group");
    REFUSED("a = \"unclosed\n", "test.conf:");
    REFUSED("/* unclosed", "test.conf:");
}

static void includes_keep_their_file_and_line(void **state)
{
    (void)state;
    config_text_write("inner.conf", "# one\nworkers = \"x\";\n@include \"test.conf\"\n");
    REFUSED(CONFIG_BASE "/* @include \"not\" */ log_level = \"\n@include \\\"not either\\\"\";\n"
                        "  @include \"inner.conf\" admin = 1;\n@include \"missing\"\n@include "
                        "\"fifo\"\n@include \"/\"\n",
            "inner.conf:3: cannot include", "so it includes itself", "test.conf:7: cannot include",
            "missing\": No such file", "test.conf:9: cannot include \"/\"");
    REFUSED(CONFIG_BASE "@include \"inner2.conf\"\nadmin = 1;\n", "test.conf:4: cannot include");
    config_text_write("inner2.conf", "\nworkers = \"x\";\nbad = 1;");
    REFUSED(CONFIG_BASE "@include \"inner2.conf\" admin = 1;\nbad2 = 1;\n",
            "inner2.conf:2: workers: expected", "inner2.conf:3: bad: unknown",
            "test.conf:4: admin: expected a group", "test.conf:5: bad2: unknown");
}

static void odd_files_are_refused_and_never_wait(void **state)
{
    static const char *const paths[] = { "/", "/dev/zero", "/no/such", "fifo", "zero" };
    struct problems problems;
    FILE *zero = fopen(config_text_path("zero"), "w");

    (void)state;
    assert_non_null(zero);
    assert_int_equal(fwrite("a = 1;\0b", 1, 8, zero), 8);
    fclose(zero);
    assert_int_equal(mkfifo(config_text_path("fifo"), 0600), 0);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        assert_true(problems_init(&problems));
        assert_null(snapshot_load(paths[i][0] == '/' ? paths[i] : config_text_path(paths[i]), &problems));
        assert_int_equal(problems.count, 1);
        problems_free(&problems);
    }
}

static void more_problems_than_anybody_reads_are_counted(void **state)
{
    char text[8192] = CONFIG_BASE;
    char said[32768];

    (void)state;
    for (int i = 0; i < 150; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "unknown_%d = 1;\n", i);
    assert_null(config_text_load(text, said, sizeof said));
    assert_non_null(strstr(said, "\n50 further problems are not shown\n"));
}

static int remove_files(void **state)
{
    static const char *const names[] = { "test.conf", "inner.conf", "inner2.conf", "zero", "fifo" };

    (void)state;
    config_text_end(names, sizeof names / sizeof names[0]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_need_a_unit),
        cmocka_unit_test(sizes_need_a_unit),
        cmocka_unit_test(defaults_fit_their_own_rows),
        cmocka_unit_test(near_names_are_suggested),
        cmocka_unit_test(endpoints_are_checked),
        cmocka_unit_test(all_problems_are_told_with_their_lines),
        cmocka_unit_test(unknown_groups_are_told),
        cmocka_unit_test(listeners_and_upstreams_are_needed),
        cmocka_unit_test(names_are_unique_and_plain),
        cmocka_unit_test(routes_are_checked),
        cmocka_unit_test(authentication_is_checked),
        cmocka_unit_test(encryption_is_checked),
        cmocka_unit_test(syntax_errors_have_a_line),
        cmocka_unit_test(includes_keep_their_file_and_line),
        cmocka_unit_test(odd_files_are_refused_and_never_wait),
        cmocka_unit_test(more_problems_than_anybody_reads_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, remove_files);
}
