/* SPDX-License-Identifier: PostgreSQL
 * test_lookup_live_troubles - whatever goes wrong at PostgreSQL, who looks a user up has an answer in time.
 * Run by tests/integration/test_lookup.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/fake_upstream.h"
#include "tests/unit/lookup_scene.h"

static void a_lost_connection_is_replaced_and_nobody_notices(void **state)
{
    (void)state;
    scene_open(tcp(), NO_CACHE, "");
    for (int i = 0; i < 3; i++) {
        assert_true(begins(scene_ask(LOOKUP_SECRET, "good"), VERIFIER));
        scene_sql("select pg_terminate_backend(pid, 10000) from pg_stat_activity "
                  "where application_name = 'pgsluice auth'");
        loop_a_while(scene.loop);
    }
    assert_true(begins(scene_ask(LOOKUP_SECRET, "good"), VERIFIER));
    assert_int_equal(scene.failed, 0);
    scene_close();
}

static void a_connection_that_is_killed_while_it_asks_is_tried_once_more(void **state)
{
    (void)state;
    scene_open(tcp(), QUERY("SELECT $1::text, 'x' FROM pg_catalog.pg_sleep(60)"), "");
    scene_send("good");
    for (int killed = 0; killed < 2; killed++) {
        loop_until(scene.loop, atoi(scene_sql("select count(*) from pg_stat_activity where wait_event = "
                                              "'PgSleep' and application_name = 'pgsluice auth'")) == 1);
        scene_sql("select pg_terminate_backend(pid, 10000) from pg_stat_activity "
                  "where application_name = 'pgsluice auth'");
    }
    loop_until(scene.loop, scene.answered == 1);
    assert_string_equal(scene.text, "08006");
    scene_close();
}

/* The server comes and goes as a socket does in a directory of our own. */
static void a_server_that_is_down_fails_fast_and_is_found_again(void **state)
{
    char socket[200], ours[200], hosts[200];
    const char *colon = strrchr(scene_server(), ':');
    uint64_t started_us = clock_now_us();

    (void)state;
    snprintf(socket, sizeof socket, "%.*s/.s.PGSQL.%s", (int)(colon - scene_server()), scene_server(),
             scene_port());
    snprintf(ours, sizeof ours, "%s/.s.PGSQL.5432", config_text_directory());
    snprintf(hosts, sizeof hosts, "\"%s:5432\"", config_text_directory());
    unlink(ours);
    scene_open(hosts, NO_CACHE, "");
    for (int i = 0; i < 100; i++)
        assert_string_equal(scene_ask(LOOKUP_SECRET, "good"), "08006");
    assert_true(clock_now_us() - started_us < 5000000);
    assert_int_equal(scene.counters.lookups_failed, 100);
    assert_int_equal(symlink(socket, ours), 0);
    while (!begins(scene_ask(LOOKUP_SECRET, "good"), VERIFIER))
        loop_a_while(scene.loop);
    unlink(ours);
    assert_true(begins(scene_ask(LOOKUP_SECRET, "good"), VERIFIER)); /* the connection is there still */
    scene_close();
}

static void a_host_that_is_down_leaves_the_work_to_another(void **state)
{
    char hosts[200];

    (void)state;
    snprintf(hosts, sizeof hosts, "\"/nonexistent:5432\", \"127.0.0.1:1\", %s", tcp());
    scene_open(hosts, NO_CACHE, "");
    assert_true(begins(scene_ask(LOOKUP_SECRET, "good"), VERIFIER));
    scene_close();
}

static void a_role_that_may_not_log_in_fails_until_it_may(void **state)
{
    (void)state;
    scene_open(tcp(), NO_CACHE, "");
    scene_sql("alter role pgsluice nologin");
    assert_string_equal(scene_ask(LOOKUP_SECRET, "good"), "08006");
    scene_sql("alter role pgsluice login");
    while (!begins(scene_ask(LOOKUP_SECRET, "good"), VERIFIER))
        loop_a_while(scene.loop);
    scene_close();
}

/* Somebody listens and never says a word. */
static void a_request_fails_at_its_deadline(void **state)
{
    struct lookup_request *request;
    struct fake_upstream silent = { 0 };
    uint64_t deadline_us;
    char hosts[50];

    (void)state;
    fake_open(&silent);
    snprintf(hosts, sizeof hosts, "\"127.0.0.1:%d\"", silent.port);
    scene_open(hosts, NO_CACHE, "");
    request = scene_request(LOOKUP_SECRET, "good");
    deadline_us = request->deadline_us = clock_now_us() + 300000;
    lookup_send(request);
    loop_until(scene.loop, scene.answered == 1);
    assert_string_equal(scene.text, "08006");
    assert_true(scene.last_us >= deadline_us);
    scene_send("good");
    scene_send("bare");
    loop_a_while(scene.loop);
    scene_close(); /* with somebody waiting: answered, and nothing leaks */
    close(silent.listener);
}

static void those_who_wait_at_the_end_are_told(void **state)
{
    (void)state;
    scene_open(tcp(), QUERY("SELECT $1::text, 'x' FROM pg_catalog.pg_sleep(60)"), "");
    scene_send("good");
    loop_until(scene.loop, scene_connections() == 1);
    scene_send("bare"); /* in main's mailbox still */
    lookups_free(scene.lookups);
    scene.lookups = NULL;
    loop_until(scene.loop, scene.answered == 2);
    assert_string_equal(scene.text, "57P01");
    scene_close();
}

static void too_many_waiting_requests_are_refused(void **state)
{
    char name[20];

    (void)state;
    scene_open(tcp(), QUERY("SELECT $1::text, 'x' FROM pg_catalog.pg_sleep(60)"), "");
    for (int i = 0; i <= LOOKUP_REQUESTS_MAX; i++) {
        snprintf(name, sizeof name, "user%d", i);
        scene_send(name);
    }
    loop_until(scene.loop, scene.answered == 1);
    assert_string_equal(scene.text, "53300");
    scene_close();
}

static void answers_that_are_none_fail_and_the_next_question_is_asked(void **state)
{
    static const char *const queries[] = {
        QUERY("SELECT $1::text, 'x' UNION ALL SELECT $1::text, 'y'"),
        QUERY("SELECT $1::text, g::text FROM pg_catalog.generate_series(1, 1000000) AS g"),
        QUERY("SELECT $1::text"),
        QUERY("SELECT $1::text, 'x', 'y'"),
        QUERY("SELECT $1::text, 'x' WHERE false UNION ALL SELECT 'other', 'x'"),
        QUERY("SELECT $1::text, pg_catalog.repeat('x', 2048)"),
        QUERY("SELECT $1::text, (1 / 0)::text"),
        QUERY("SELECT name, secret FROM no_such_function($1)"),
        QUERY("CREATE TABLE public.pwned (t text)"),
        QUERY("COPY (SELECT 1) TO STDOUT"),
        QUERY("SELECT $1::text, 'x'; SELECT 1"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        scene_open(tcp(), queries[i], "");
        for (int again = 0; again < 3; again++)
            assert_string_equal(scene_ask(LOOKUP_SECRET, "good"), "08006");
        scene_close();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lost_connection_is_replaced_and_nobody_notices),
        cmocka_unit_test(a_connection_that_is_killed_while_it_asks_is_tried_once_more),
        cmocka_unit_test(a_server_that_is_down_fails_fast_and_is_found_again),
        cmocka_unit_test(a_host_that_is_down_leaves_the_work_to_another),
        cmocka_unit_test(a_role_that_may_not_log_in_fails_until_it_may),
        cmocka_unit_test(a_request_fails_at_its_deadline),
        cmocka_unit_test(those_who_wait_at_the_end_are_told),
        cmocka_unit_test(too_many_waiting_requests_are_refused),
        cmocka_unit_test(answers_that_are_none_fail_and_the_next_question_is_asked),
    };
    const char *const files[] = { "test.conf", ".s.PGSQL.5432" };
    int failed;

    if (scene_server() == NULL) {
        printf("skipped: PGSLUICE_TEST_PG does not say where a PostgreSQL is\n");
        return 0;
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    config_text_end(files, sizeof files / sizeof *files);
    return failed;
}
