/* SPDX-License-Identifier: PostgreSQL
 * test_lookup_live - users are looked up in a real PostgreSQL, by few connections for many questions.
 * Run by tests/integration/test_lookup.py. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/lookup_scene.h"

static void secrets_are_found_and_who_may_not_log_in_has_none(void **state)
{
    static const char *const nobody[] = { "sleeper", "expired", "bare", "chief", "unknown", "", "GOOD",
                                          "good ", "' or true --", "\xff\xfe", "na\xefve", "$1" };
    char own[300];

    (void)state;
    scene_open(tcp(), NO_CACHE, "");
    snprintf(own, sizeof own, "%s", scene_sql("select rolpassword from pg_authid where rolname = 'good'"));
    assert_string_equal(scene_ask(LOOKUP_SECRET, "good"), own);
    assert_true(begins(own, VERIFIER));
    assert_true(begins(scene_ask(LOOKUP_SECRET, "o'hara \"x\" "), VERIFIER));
    assert_true(begins(scene_ask(LOOKUP_SECRET, "n\xc3\xa4me"), VERIFIER));
    for (size_t i = 0; i < sizeof nobody / sizeof *nobody; i++)
        assert_string_equal(scene_ask(LOOKUP_SECRET, nobody[i]), "none");
    assert_int_equal(scene.failed, 0);
    assert_int_equal(scene_connections(), 1);
    scene_close();
}

static void a_name_that_postgresql_would_cut_is_nobodys(void **state)
{
    char name[65] = "";

    (void)state;
    scene_open(tcp(), QUERY("SELECT rolname, rolpassword FROM pg_authid WHERE rolname = $1::name"), "");
    memset(name, 'r', 64);
    assert_string_equal(scene_ask(LOOKUP_SECRET, name), "none");
    assert_int_equal(scene.counters.lookups_done, 0);
    scene_close();
}

static void roles_are_those_that_were_granted_however_indirectly(void **state)
{
    (void)state;
    scene_open(tcp(), NO_CACHE, "");
    assert_string_equal(scene_ask(LOOKUP_ROLES, "good"), "company,good,staff");
    assert_string_equal(scene_ask(LOOKUP_ROLES, "chief"), "chief");
    assert_string_equal(scene_ask(LOOKUP_ROLES, "unknown"), "none");
    assert_string_equal(scene_ask(LOOKUP_ROLES, "\xff"), "none");
    scene_close();
}

static void who_asks_the_same_at_the_same_time_shares_one_query(void **state)
{
    (void)state;
    scene_open(tcp(), NO_CACHE, "");
    for (int i = 0; i < 500; i++)
        scene_send("good");
    loop_until(scene.loop, scene.answered == 500);
    assert_int_equal(scene.found, 500);
    assert_int_equal(scene.counters.lookups_done, 1);
    scene_send("good");
    loop_until(scene.loop, scene.answered == 501);
    assert_int_equal(scene.counters.lookups_done, 2);
    scene_close();
}

static void a_thousand_questions_go_through_two_connections(void **state)
{
    char name[20];
    int most = 0;

    (void)state;
    scene_open(tcp(), NO_CACHE "auth_lookup_conn = 2;", "");
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "user%d", i);
        scene_send(i % 10 == 0 ? "good" : name);
    }
    while (scene.answered < 1000) {
        int half = scene.answered + 250, now = 0;

        loop_until(scene.loop, scene.answered >= 1000 || scene.answered >= half);
        now = scene_connections();
        most = now > most ? now : most;
    }
    assert_int_equal(most, 2);
    assert_int_equal(scene.found, 100);
    assert_int_equal(scene.none, 900);
    assert_int_equal(scene.counters.lookups_done, 901);
    scene_close();
}

static void an_answer_is_kept_until_it_is_forgotten(void **state)
{
    struct lookup_request *request;

    (void)state;
    scene_open(tcp(), "auth_cache_ttl = \"3600s\";", "");
    request = scene_request(LOOKUP_SECRET, "good");
    assert_false(lookup_cached(request));
    scene_ask(LOOKUP_SECRET, "good");
    assert_true(lookup_cached(request));
    assert_true(request->from_cache && begins(request->found.text, VERIFIER));
    assert_true(begins(scene_ask(LOOKUP_SECRET, "good"), VERIFIER));
    assert_int_equal(scene.counters.lookups_done, 1);
    assert_int_equal(scene.counters.lookups_from_cache, 2);
    lookup_forget(request);
    assert_false(lookup_cached(request));
    assert_null(request->found.text);
    lookup_request_free(request);
    scene_ask(LOOKUP_SECRET, "good");
    assert_int_equal(scene.counters.lookups_done, 2);
    scene_close();
}

enum { ASKERS = 4, QUESTIONS = 300 };

/* A worker: its own thread, loop and mailbox. */
struct asker {
    pthread_t thread;
    struct ev_loop *loop;
    struct mailbox mailbox;
    int answered, right;
};

static void asker_answered(struct lookup_request *request)
{
    struct asker *asker = request->asker;

    asker->right += request->outcome == LOOKUP_FOUND && begins(request->found.text, VERIFIER);
    asker->answered++;
    if (asker->answered % 7 == 0)
        lookup_forget(request);
    lookup_request_free(request);
}

static void *asker_main(void *argument)
{
    struct asker *asker = argument;

    for (int i = 0; i < QUESTIONS; i++) {
        struct lookup_request *request = scene_request(LOOKUP_SECRET, i % 2 == 0 ? "good" : "n\xc3\xa4me");

        request->reply_to = &asker->mailbox;
        request->answered = asker_answered;
        request->asker = asker;
        if (lookup_cached(request))
            asker_answered(request);
        else
            lookup_send(request);
        loop_until(asker->loop, asker->answered > i);
    }
    return NULL;
}

static void workers_ask_from_threads_of_their_own(void **state)
{
    struct asker askers[ASKERS] = { 0 };

    (void)state;
    scene_open(tcp(), "", "");
    for (int i = 0; i < ASKERS; i++) {
        askers[i].loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
        mailbox_open(&askers[i].mailbox, askers[i].loop, NULL);
        assert_int_equal(pthread_create(&askers[i].thread, NULL, asker_main, &askers[i]), 0);
    }
    for (int i = 0; i < ASKERS; i++) {
        loop_until(scene.loop, pthread_tryjoin_np(askers[i].thread, NULL) == 0);
        assert_int_equal(askers[i].right, QUESTIONS);
        mailbox_close(&askers[i].mailbox);
        ev_loop_destroy(askers[i].loop);
    }
    scene_close();
}

static void a_reload_forgets_and_later_answers_come_from_new_connections(void **state)
{
    struct generation *next;
    struct lookup_request *late;

    (void)state;
    scene_open(tcp(), "auth_cache_ttl = \"3600s\";", "");
    scene_ask(LOOKUP_SECRET, "good");
    late = scene_request(LOOKUP_SECRET, "good");
    next = generation_new(snapshot_retain(scene.generation->snapshot), &(struct access){0},
                          scene.generation->upstreams);
    lookups_reload(scene.lookups, next);
    assert_false(lookup_cached(late));
    lookup_send(late); /* asked by a worker that knows the older configuration still */
    loop_until(scene.loop, scene.answered == 2);
    assert_int_equal(scene.found, 2);
    late = scene_request(LOOKUP_SECRET, "good");
    assert_false(lookup_cached(late));
    lookup_request_free(late);
    loop_until(scene.loop, scene_connections() == 0);
    generation_release(next);
    scene_close();
}

static void requests_that_were_given_up_are_freed_unseen(void **state)
{
    (void)state;
    scene_open(tcp(), NO_CACHE, "");
    for (int i = 0; i < 100; i++) {
        struct lookup_request *request = scene_request(LOOKUP_SECRET, i % 2 == 0 ? "good" : "bare");

        lookup_send(request);
        request->abandoned = true;
    }
    assert_true(begins(scene_ask(LOOKUP_SECRET, "good"), VERIFIER));
    assert_int_equal(scene.answered, 1);
    scene_close();
}

static void a_name_or_secret_that_is_null_or_empty_is_none(void **state)
{
    (void)state;
    scene_open(tcp(), QUERY("SELECT $1::text, NULL::text"), "");
    assert_string_equal(scene_ask(LOOKUP_SECRET, "good"), "none");
    scene_close();
    scene_open(tcp(), QUERY("SELECT NULL::text, NULL::text WHERE $1 <> ''"), "");
    assert_string_equal(scene_ask(LOOKUP_SECRET, "good"), "none");
    scene_close();
    scene_open(tcp(), QUERY("SELECT $1::text, ''"), "");
    assert_string_equal(scene_ask(LOOKUP_SECRET, "good"), "none");
    scene_close();
}

/* Over its Unix socket. */
static const char *local(void)
{
    static char hosts[300];

    snprintf(hosts, sizeof hosts, "\"%s\"", scene_server());
    return hosts;
}

static void the_session_is_what_it_should_be(void **state)
{
    static const struct {
        const char *query, *value;
    } facts[] = {
        { QUERY("SELECT $1::text, current_setting('search_path')"), "pg_catalog" },
        { QUERY("SELECT $1::text, current_setting('transaction_read_only')"), "on" },
        { QUERY("SELECT $1::text, current_setting('statement_timeout')"), "5s" },
        { QUERY("SELECT $1::text, current_setting('application_name')"), "pgsluice auth" },
        { QUERY("SELECT $1::text, current_user::text"), "pgsluice" },
        { QUERY("SELECT $1::text, $1"), "good" },
    };

    (void)state;
    setenv("PGOPTIONS", "-c search_path=public", 1);
    setenv("PGAPPNAME", "another", 1);
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        scene_open(local(), facts[i].query, "");
        assert_string_equal(scene_ask(LOOKUP_SECRET, "good"), facts[i].value);
        scene_close();
    }
}

static void the_password_may_come_from_passfile(void **state)
{
    char passfile[200], line[200];

    (void)state;
    snprintf(line, sizeof line, "127.0.0.1:%s:postgres:pgsluice:lookup-secret\n", scene_port());
    chmod(config_text_write("passfile", line), 0600);
    snprintf(passfile, sizeof passfile, NO_CACHE "passfile = \"%s\";", config_text_path("passfile"));
    setenv("PGPASSWORD", "wrong", 1);
    scene_open(tcp(), passfile, "");
    users_free(scene.generation->access.users);
    scene.generation->access.users = NULL;
    assert_true(begins(scene_ask(LOOKUP_SECRET, "good"), VERIFIER));
    scene_close();
    setenv("PGPASSWORD", "lookup-secret", 1);
    scene_open(tcp(), NO_CACHE, "");
    users_free(scene.generation->access.users);
    scene.generation->access.users = NULL;
    assert_string_equal(scene_ask(LOOKUP_SECRET, "good"), "08006");
    scene_close();
}

#define TLS "tls = { server_tls_sslmode = \"%s\"; server_tls_ca_file = \"%s\"; };"
#define ENCRYPTED QUERY("SELECT $1::text, ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()")

static void tls_goes_by_the_configuration(void **state)
{
    const char *ca = getenv("PGSLUICE_TEST_PG_CA"), *other = getenv("PGSLUICE_TEST_PG_OTHER_CA");
    char full[400], wrong[400], hosts[100];

    (void)state;
    snprintf(full, sizeof full, TLS, "verify-full", ca);
    snprintf(wrong, sizeof wrong, TLS, "verify-ca", other);
    scene_open(tcp(), ENCRYPTED, full);
    assert_string_equal(scene_ask(LOOKUP_SECRET, "good"), "true");
    scene_close();
    scene_open(tcp(), NO_CACHE, wrong);
    assert_string_equal(scene_ask(LOOKUP_SECRET, "good"), "08006");
    scene_close();
    snprintf(hosts, sizeof hosts, "\"localhost:%s\"", scene_port());
    scene_open(hosts, NO_CACHE, full); /* the certificate says 127.0.0.1 */
    upstreams_resolve(&scene.upstreams, 0);
    assert_string_equal(scene_ask(LOOKUP_SECRET, "good"), "08006");
    scene_close();
    scene_open(tcp(), ENCRYPTED, "tls = { server_tls_sslmode = \"disable\"; };");
    assert_string_equal(scene_ask(LOOKUP_SECRET, "good"), "false");
    scene_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secrets_are_found_and_who_may_not_log_in_has_none),
        cmocka_unit_test(a_name_that_postgresql_would_cut_is_nobodys),
        cmocka_unit_test(roles_are_those_that_were_granted_however_indirectly),
        cmocka_unit_test(who_asks_the_same_at_the_same_time_shares_one_query),
        cmocka_unit_test(a_thousand_questions_go_through_two_connections),
        cmocka_unit_test(an_answer_is_kept_until_it_is_forgotten),
        cmocka_unit_test(workers_ask_from_threads_of_their_own),
        cmocka_unit_test(a_reload_forgets_and_later_answers_come_from_new_connections),
        cmocka_unit_test(requests_that_were_given_up_are_freed_unseen),
        cmocka_unit_test(a_name_or_secret_that_is_null_or_empty_is_none),
        cmocka_unit_test(the_session_is_what_it_should_be),
        cmocka_unit_test(the_password_may_come_from_passfile),
        cmocka_unit_test(tls_goes_by_the_configuration),
    };
    const char *const files[] = { "test.conf", "passfile" };
    int failed;

    if (scene_server() == NULL) {
        printf("skipped: PGSLUICE_TEST_PG does not say where a PostgreSQL is\n");
        return 0;
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    config_text_end(files, sizeof files / sizeof *files);
    return failed;
}
