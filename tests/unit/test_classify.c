/* SPDX-License-Identifier: PostgreSQL
 * test_classify - every program's captured startup packet gets its class, and every class its route. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/base/fault.h"
#include "router/classify.h"
#include "tests/unit/config_text.h"

struct seen {
    struct verdict verdict;
    struct fault fault;
};

static struct seen see(const struct snapshot *snapshot, size_t listener, const char *database,
                       const char *name, enum replication replication)
{
    struct startup startup = { .user = "pgcap", .database = database, .application_name = name,
                               .replication = replication };
    struct connection_facts facts = { .startup = &startup, .listener = &snapshot->listeners[listener] };
    struct seen seen;

    memset(&seen, 0, sizeof seen);
    classify(snapshot, &facts, &seen.verdict, &seen.fault);
    return seen;
}

static void captured_packets_have_their_class(void **state)
{
    static const struct {
        const char *database, *name;
        enum replication replication;
        enum class class;
        const char *why;
    } rows[] = {
        { "appdb", "psql", REPLICATION_NONE, CLASS_APP, "listener mode" },
        { "appdb", "", REPLICATION_NONE, CLASS_APP, "listener mode" },
        { "appdb", "pgbench", REPLICATION_NONE, CLASS_APP, "listener mode" },
        { "appdb", "postgres_fdw", REPLICATION_NONE, CLASS_APP, "listener mode" },
        { "appdb", "pg_isready", REPLICATION_NONE, CLASS_APP, "listener mode" },
        { "appdb", "my pg_dump wrapper", REPLICATION_NONE, CLASS_APP, "listener mode" },
        { "appdb", "pg_dump", REPLICATION_NONE, CLASS_DUMP, "application_name=pg_dump" },
        { "postgres", "pg_dumpall", REPLICATION_NONE, CLASS_DUMP, "application_name=pg_dumpall" },
        { "restoredb", "pg_restore", REPLICATION_NONE, CLASS_RESTORE, "application_name=pg_restore" },
        { "replication", "pg_basebackup", REPLICATION_PHYSICAL, CLASS_REPLICATION, "replication=true" },
        { "replication", "mybb", REPLICATION_PHYSICAL, CLASS_REPLICATION, "replication=true" },
        { "appdb", "psql", REPLICATION_PHYSICAL, CLASS_REPLICATION, "replication=true" },
        { "appdb", "sub1", REPLICATION_LOGICAL, CLASS_REPLICATION, "replication=database" },
        { "pgsluice", "x", REPLICATION_LOGICAL, CLASS_REPLICATION, "replication=database" },
        { "postgres", "slotsync worker", REPLICATION_NONE, CLASS_REPLICATION,
          "application_name=slotsync worker" },
        { "postgres", "c1_slotsync worker", REPLICATION_NONE, CLASS_REPLICATION,
          "application_name=c1_slotsync worker" },
        { "appdb", "Debezium General", REPLICATION_NONE, CLASS_REPLICATION,
          "application_name=Debezium General" },
        { "appdb", "s1_create", REPLICATION_NONE, CLASS_REPLICATION, "application_name=s1_create" },
        { "postgres", "barman_streaming_backup", REPLICATION_NONE, CLASS_BACKUP,
          "application_name=barman_streaming_backup" },
        { "postgres", "pgmoneta", REPLICATION_NONE, CLASS_BACKUP, "application_name=pgmoneta" },
        { "appdb", "pgsluice-backup/nightly/17", REPLICATION_NONE, CLASS_BACKUP,
          "application_name=pgsluice-backup/nightly/17" },
        { "appdb", "vacuumdb", REPLICATION_NONE, CLASS_MAINTENANCE, "application_name=vacuumdb" },
        { "appdb", "pg_amcheck", REPLICATION_NONE, CLASS_MAINTENANCE, "application_name=pg_amcheck" },
        { "pgsluice", "psql", REPLICATION_NONE, CLASS_ADMIN, "database=pgsluice" },
        { "pgbouncer", "psql", REPLICATION_NONE, CLASS_ADMIN, "database=pgbouncer" },
        { "appdb", "Debezium \033[31m\n\xc3\xa9", REPLICATION_NONE, CLASS_REPLICATION,
          "application_name=Debezium ?[31m???" },
    };
    struct snapshot *snapshot = config_text_valid(CONFIG_BASE);

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct seen seen = see(snapshot, 0, rows[i].database, rows[i].name, rows[i].replication);
        const struct verdict *verdict = &seen.verdict;

        assert_string_equal(class_name(verdict->class), class_name(rows[i].class));
        assert_string_equal(verdict->why, rows[i].why);
        assert_int_equal(verdict->mode, rows[i].class == CLASS_APP ? MODE_TRANSACTION : MODE_DIRECT);
        assert_string_equal(verdict->route->name, rows[i].class == CLASS_APP ? "(transaction)" : "(direct)");
        assert_false(verdict->refused || verdict->warned);
    }
    snapshot_release(snapshot);
}

static void a_direct_listener_serves_everything_direct(void **state)
{
    struct snapshot *snapshot = config_text_valid(CONFIG_BASE "routes = ( { name = \"web\"; mode = "
                                                              "\"transaction\"; }, { name = \"s\"; mode = "
                                                              "\"session\"; } );");

    (void)state;
    assert_int_equal(see(snapshot, 1, "app", "psql", REPLICATION_NONE).verdict.mode, MODE_DIRECT);
    assert_string_equal(see(snapshot, 1, "app", "psql", REPLICATION_NONE).verdict.route->name, "web");
    assert_int_equal(see(snapshot, 0, "app", "psql", REPLICATION_NONE).verdict.mode, MODE_TRANSACTION);
    assert_int_equal(see(snapshot, 1, "app", "pg_dump", REPLICATION_NONE).verdict.mode, MODE_DIRECT);
    snapshot_release(snapshot);
}

static void a_pooling_route_without_class_takes_applications_only(void **state)
{
    struct snapshot *snapshot = config_text_valid(CONFIG_BASE "routes = ( { name = \"all\"; mode = "
                                                              "\"transaction\"; }, { name = \"rest\"; mode = "
                                                              "\"session\"; } );");
    struct seen seen = see(snapshot, 0, "app", "pg_dump", REPLICATION_NONE);

    (void)state;
    assert_string_equal(see(snapshot, 0, "app", "x", REPLICATION_NONE).verdict.route->name, "all");
    assert_string_equal(see(snapshot, 0, "app", "x", REPLICATION_NONE).verdict.why, "route match");
    assert_string_equal(seen.verdict.route->name, "rest");
    assert_int_equal(seen.verdict.mode, MODE_DIRECT);
    assert_int_equal(see(snapshot, 0, "app", "vacuumdb", REPLICATION_NONE).verdict.mode, MODE_SESSION);
    assert_int_equal(see(snapshot, 0, "app", "x", REPLICATION_PHYSICAL).verdict.mode, MODE_DIRECT);
    snapshot_release(snapshot);
}

static void the_first_matching_route_wins(void **state)
{
    struct snapshot *snapshot = config_text_valid(
        CONFIG_BASE "routes = ( { name = \"a\"; match = { database = \"a\"; }; mode = \"direct\"; },\n"
                    "{ name = \"b\"; match = { database = [ \"a\", \"b\" ]; }; mode = \"transaction\"; } );");

    (void)state;
    assert_string_equal(see(snapshot, 0, "a", "", REPLICATION_NONE).verdict.route->name, "a");
    assert_int_equal(see(snapshot, 0, "a", "", REPLICATION_NONE).verdict.mode, MODE_DIRECT);
    assert_string_equal(see(snapshot, 0, "b", "", REPLICATION_NONE).verdict.route->name, "b");
    assert_string_equal(see(snapshot, 0, "c", "", REPLICATION_NONE).verdict.route->name, "(transaction)");
    snapshot_release(snapshot);
}

static void a_reject_route_refuses_and_spares_the_console(void **state)
{
    struct snapshot *snapshot = config_text_valid(CONFIG_BASE "routes = ( { name = \"no\"; mode = "
                                                              "\"reject\"; } );");
    struct seen seen = see(snapshot, 0, "app", "pg_dump", REPLICATION_NONE);

    (void)state;
    assert_true(seen.verdict.refused);
    assert_string_equal(seen.fault.sqlstate, "28000");
    assert_string_equal(seen.fault.message, "the route \"no\" rejects user \"pgcap\" on database \"app\"");
    assert_true(see(snapshot, 1, "app", "", REPLICATION_NONE).verdict.refused);
    assert_false(see(snapshot, 0, "pgsluice", "", REPLICATION_NONE).verdict.refused);
    snapshot_release(snapshot);
    snapshot = config_text_valid(
        CONFIG_BASE "routes = ( { name = \"no\"; mode = \"reject\"; match = { class = \"admin\"; }; } );");
    assert_true(see(snapshot, 0, "pgsluice", "", REPLICATION_NONE).verdict.refused);
    assert_false(see(snapshot, 0, "app", "", REPLICATION_NONE).verdict.refused);
    snapshot_release(snapshot);
}

static void the_wrong_port_refuses_with_the_right_one(void **state)
{
    struct snapshot *snapshot = config_text_valid(CONFIG_BASE "defaults = { on_wrong_port = \"refuse\"; };");
    struct seen seen = see(snapshot, 0, "app", "pg_dump", REPLICATION_NONE);

    (void)state;
    assert_true(seen.verdict.refused);
    assert_string_equal(seen.fault.sqlstate, "0A000");
    assert_non_null(strstr(seen.fault.message, "application_name=pg_dump"));
    assert_string_equal(seen.fault.hint, "Connect to 127.0.0.1:6433, the listener \"direct\".");
    assert_true(see(snapshot, 0, "app", "", REPLICATION_PHYSICAL).verdict.refused);
    assert_false(see(snapshot, 1, "app", "pg_dump", REPLICATION_NONE).verdict.refused);
    assert_false(see(snapshot, 0, "app", "psql", REPLICATION_NONE).verdict.refused);
    assert_false(see(snapshot, 0, "pgsluice", "psql", REPLICATION_NONE).verdict.refused);
    snapshot_release(snapshot);
}

static void the_wrong_port_may_warn_except_for_walsenders(void **state)
{
    struct snapshot *snapshot = config_text_valid(CONFIG_BASE "defaults = { on_wrong_port = \"warn\"; };");
    struct seen seen = see(snapshot, 0, "app", "pg_dump", REPLICATION_NONE);

    (void)state;
    assert_true(seen.verdict.warned && !seen.verdict.refused);
    assert_int_equal(seen.verdict.mode, MODE_TRANSACTION);
    assert_string_equal(seen.verdict.route->name, "(transaction)");
    seen = see(snapshot, 0, "app", "", REPLICATION_LOGICAL);
    assert_true(seen.verdict.warned);
    assert_int_equal(seen.verdict.mode, MODE_DIRECT);
    snapshot_release(snapshot);
}

static void a_class_learnt_from_a_statement_is_routed_too(void **state)
{
    struct snapshot *snapshot = config_text_valid(
        CONFIG_BASE "routes = ( { name = \"dumps\"; match = { class = \"dump\"; }; mode = \"direct\"; } );");
    struct startup startup = { .user = "u", .database = "d", .application_name = "nightly" };
    struct connection_facts facts = { .startup = &startup, .listener = &snapshot->listeners[0] };
    struct verdict verdict;
    struct fault fault;

    (void)state;
    classify(snapshot, &facts, &verdict, &fault);
    assert_int_equal(verdict.mode, MODE_TRANSACTION);
    classify_as(snapshot, &facts, CLASS_DUMP, "first statement", &verdict, &fault);
    assert_int_equal(verdict.mode, MODE_DIRECT);
    assert_string_equal(verdict.route->name, "dumps");
    assert_string_equal(verdict.why, "first statement");
    snapshot_release(snapshot);
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
        cmocka_unit_test(captured_packets_have_their_class),
        cmocka_unit_test(a_direct_listener_serves_everything_direct),
        cmocka_unit_test(a_pooling_route_without_class_takes_applications_only),
        cmocka_unit_test(the_first_matching_route_wins),
        cmocka_unit_test(a_reject_route_refuses_and_spares_the_console),
        cmocka_unit_test(the_wrong_port_refuses_with_the_right_one),
        cmocka_unit_test(the_wrong_port_may_warn_except_for_walsenders),
        cmocka_unit_test(a_class_learnt_from_a_statement_is_routed_too),
    };

    return cmocka_run_group_tests(tests, NULL, remove_files);
}
