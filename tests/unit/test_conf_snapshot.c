/* SPDX-License-Identifier: PostgreSQL
 * test_conf_snapshot - a valid file becomes a snapshot of what was written, and defaults elsewhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/conditions.h"
#include "conf/manual.h"
#include "tests/unit/config_text.h"

static void absent_settings_have_their_defaults(void **state)
{
    struct snapshot *snapshot = config_text_valid(CONFIG_BASE);

    (void)state;
    assert_int_equal(snapshot->workers, 0);
    assert_string_equal(snapshot->log_level, "info");
    assert_int_equal(snapshot->auth.type, AUTH_RELAY);
    assert_null(snapshot->auth.file);
    assert_int_equal(snapshot->max_client_conn, 2000);
    assert_int_equal(snapshot->max_login_conn, 500);
    assert_int_equal(snapshot->client_login_timeout_us, 10000000);
    assert_int_equal(snapshot->shutdown_timeout_us, 60000000);
    assert_int_equal(snapshot->max_message_hold_bytes, 1048576);
    assert_int_equal(snapshot->admin_users.count, 0);
    assert_int_equal(snapshot->defaults.default_pool_size, 20);
    assert_int_equal(snapshot->defaults.server_lifetime_us, 3600000000);
    assert_int_equal(snapshot->defaults.on_wrong_port, ON_WRONG_PORT_MOVE);
    assert_int_equal(snapshot->own_route_count, 0);
    assert_int_equal(snapshot->route_count, 2);
    assert_string_equal(snapshot_builtin_route(snapshot, MODE_DIRECT)->name, "(direct)");
    assert_string_equal(snapshot_builtin_route(snapshot, MODE_TRANSACTION)->name, "(transaction)");
    assert_string_equal(snapshot_builtin_route(snapshot, MODE_TRANSACTION)->upstream, "main");
    assert_null(snapshot_builtin_route(snapshot, MODE_SESSION));
    snapshot_release(snapshot);
}

static void a_route_inherits_defaults_and_overrides_them(void **state)
{
    struct snapshot *snapshot = config_text_valid(
        CONFIG_BASE "routes = ( { name = \"web\"; match = { user = \"a*\"; }; mode = \"transaction\"; "
                    "min_pool_size = 2;\n"
                    "  on_wrong_port = \"warn\"; settings = { statement_timeout = 30000; jit = false; }; },\n"
                    "{ name = \"x\"; mode = \"direct\"; settings = [ \"pgaudit.log=write, ddl=1\", \"a=\" ]; "
                    "} );\n"
                    "defaults = { default_pool_size = 7; query_wait_timeout = \"5s\"; };\n");
    const struct route_options *route = &snapshot->routes[0];

    (void)state;
    assert_int_equal(route->pool.default_pool_size, 7);
    assert_int_equal(route->pool.query_wait_timeout_us, 5000000);
    assert_int_equal(route->pool.min_pool_size, 2);
    assert_int_equal(route->pool.on_wrong_port, ON_WRONG_PORT_WARN);
    assert_int_equal(snapshot->defaults.min_pool_size, 0);
    assert_int_equal(snapshot_builtin_route(snapshot, MODE_DIRECT)->pool.default_pool_size, 7);
    assert_string_equal(route->upstream, "main");
    assert_int_equal(route->line, 4);
    assert_int_equal(route->settings.count, 2);
    assert_string_equal(route->settings.items[0].value, "30000");
    assert_string_equal(route->settings.items[1].value, "false");
    assert_string_equal(snapshot->routes[1].settings.items[0].name, "pgaudit.log");
    assert_string_equal(snapshot->routes[1].settings.items[0].value, "write, ddl=1");
    assert_string_equal(snapshot->routes[1].settings.items[1].value, "");
    assert_int_equal(snapshot->own_route_count, 2);
    assert_int_equal(snapshot->routes[2].index, 2);
    snapshot_release(snapshot);
}

static void files_are_looked_for_beside_the_configuration(void **state)
{
    struct snapshot *snapshot;
    char expected[128];

    (void)state;
    snprintf(expected, sizeof expected, "%s", config_text_write("users.txt", ""));
    snapshot = config_text_valid(CONFIG_BASE "auth = { auth_type = \"scram-sha-256\"; auth_file = "
                                             "\"users.txt\"; };\n");
    assert_int_equal(snapshot->auth.type, AUTH_SCRAM);
    assert_string_equal(snapshot->auth.file, expected);
    snapshot_release(snapshot);
}

static void an_upstream_alone_makes_a_configuration(void **state)
{
    struct problems problems;
    struct snapshot *snapshot;

    (void)state;
    assert_true(problems_init(&problems));
    snapshot = snapshot_from_upstream("db.example:5433", &problems);
    assert_non_null(snapshot);
    assert_null(snapshot->file);
    assert_int_equal(snapshot->listener_count, 2);
    assert_string_equal(snapshot->listeners[0].listen.items[0], "127.0.0.1:6432");
    assert_int_equal(snapshot->listeners[0].mode, MODE_TRANSACTION);
    assert_string_equal(snapshot->listeners[1].listen.items[0], "127.0.0.1:6433");
    assert_int_equal(snapshot->listeners[1].mode, MODE_DIRECT);
    assert_string_equal(snapshot_upstream(snapshot, "main")->hosts.items[0], "db.example:5433");
    assert_int_equal(snapshot->route_count, 2);
    snapshot_release(snapshot_retain(snapshot));
    snapshot_release(snapshot);
    assert_null(snapshot_from_upstream("a b", &problems));
    assert_int_equal(problems.count, 1);
    problems_free(&problems);
}

static void show_config_lists_every_option(void **state)
{
    struct snapshot *snapshot =
        config_text_valid(CONFIG_BASE "limits = { client_login_timeout = \"1min\"; };\n"
                                      "admin = { admin_users = [ \"a\", \"b\" ]; };\nworkers = 3;\n");
    struct shown_option shown;
    size_t count = 0, found = 0;

    (void)state;
    for (; snapshot_option(snapshot, count, &shown); count++) {
        if (strcmp(shown.name, "client_login_timeout") == 0)
            found +=
                strcmp(shown.value, "60s") == 0 && strcmp(shown.fallback, "10s") == 0 && shown.reloadable;
        if (strcmp(shown.name, "admin_users") == 0)
            found += strcmp(shown.value, "a, b") == 0;
        if (strcmp(shown.name, "workers") == 0)
            found += strcmp(shown.value, "3") == 0 && !shown.reloadable;
    }
    assert_int_equal(found, 3);
    assert_int_equal(count, 94);
    snapshot_release(snapshot);
}

static char *file_text(const char *path)
{
    static char text[65536];
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

static void written_equals(void (*write)(FILE *), const char *path)
{
    char *text = NULL;
    size_t length = 0;
    FILE *to = open_memstream(&text, &length);

    assert_non_null(to);
    write(to);
    fclose(to);
    if (strcmp(text, file_text(path)) != 0)
        fail_msg("%s is not what `pgsluice manual` prints; write it again", path);
    free(text);
}

static void shipped_files_follow_the_tables(void **state)
{
    (void)state;
    written_equals(manual_write, "conf/files/reference.md");
    written_equals(manual_write_sample, "conf/files/pgsluice.conf");
}

/* `# name = value;` or a line of an example; an option without a default has no value to try. */
static bool is_commented_setting(const char *line)
{
    size_t name = line[0] == '#' && line[1] == ' ' ? strspn(line + 2, "abcdefghijklmnopqrstuvwxyz_") : 0;

    if (strncmp(line, "# { name", 8) == 0 || strncmp(line, "#   mode = ", 11) == 0)
        return true;
    return name > 0 && strncmp(line + 2 + name, " = ", 3) == 0 && strncmp(line + 5 + name, "\"...\"", 5) != 0;
}

static void the_sample_is_valid_with_and_without_its_comments(void **state)
{
    char *sample = file_text("conf/files/pgsluice.conf");
    struct snapshot *snapshot;

    (void)state;
    snapshot_release(config_text_valid(sample));
    for (char *line = sample; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        line += strspn(line, " ");
        if (is_commented_setting(line))
            line[0] = ' ';
    }
    snapshot = config_text_valid(sample);
    assert_int_equal(snapshot->own_route_count, 3);
    snapshot_release(snapshot);
}

static int remove_files(void **state)
{
    static const char *const names[] = { "test.conf", "users.txt" };

    (void)state;
    config_text_end(names, sizeof names / sizeof names[0]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(absent_settings_have_their_defaults),
        cmocka_unit_test(a_route_inherits_defaults_and_overrides_them),
        cmocka_unit_test(files_are_looked_for_beside_the_configuration),
        cmocka_unit_test(an_upstream_alone_makes_a_configuration),
        cmocka_unit_test(show_config_lists_every_option),
        cmocka_unit_test(shipped_files_follow_the_tables),
        cmocka_unit_test(the_sample_is_valid_with_and_without_its_comments),
    };

    return cmocka_run_group_tests(tests, NULL, remove_files);
}
