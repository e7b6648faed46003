/* SPDX-License-Identifier: PostgreSQL
 * test_ldap - who is let in by a real directory. tests/integration/test_ldap_pam.py starts one, fills it,
 * and runs this with DIRECTORY_PORT and DIRECTORY_TLS_PORT, without which there is nothing to ask. The
 * directory is at 127.0.0.1; nobody listens at the same ports of 127.0.0.3. With DIRECTORY_IMPOSTORS somebody
 * accepts connections at 127.0.0.2 and never says a word, and at 127.0.0.4 answers have no end. With
 * DIRECTORY_STRANGER the issuer of the directory's certificate is unknown. */
#include <fcntl.h>
#include <ldap.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/auth/hba_ldap.h"
#include "gateway/auth/ldap.h"
#include "gateway/base/clock.h"
#include "gateway/base/fault.h"

#define SUFFIX "dc=example,dc=net"

enum { MUTE_PATIENCE_US = 40000000 }; /* 20 s are promised; machines may be slow */

static struct fault truth;
static int port, tls_port;

static int environment_port(const char *name)
{
    const char *text = getenv(name);

    return text == NULL ? 0 : atoi(text);
}

/* Names of entries are put together. */
static struct hba_ldap simple(void)
{
    return (struct hba_ldap){ .server = "127.0.0.1", .port = port, .prefix = "cn=",
                              .suffix = ",ou=people," SUFFIX };
}

/* Entries are searched for. */
static struct hba_ldap searching(void)
{
    return (struct hba_ldap){ .server = "127.0.0.1", .port = port, .basedn = SUFFIX,
                              .scope = HBA_LDAP_SUB, .binddn = "cn=manager," SUFFIX,
                              .bindpasswd = "manager-secret" };
}

static void check_in(struct hba_ldap options, const char *user, const char *password)
{
    if (!ldap_check(&options, user, password, &truth))
        fail_msg("%s was expected to be let in: %s", user, truth.message);
}

static void check_out(struct hba_ldap options, const char *user, const char *password, const char *sqlstate)
{
    if (ldap_check(&options, user, password, &truth))
        fail_msg("%s was let in", user);
    if (strcmp(truth.sqlstate, sqlstate) != 0)
        fail_msg("%s was refused with %s, not %s: %s", user, truth.sqlstate, sqlstate, truth.message);
}

static void the_right_password_of_a_named_entry_lets_in(void **state)
{
    (void)state;
    check_in(simple(), "alice", "alice-secret");
    check_out(simple(), "alice", "alice-secret ", "28P01");
    check_out(simple(), "alice", "bob-secret", "28P01");
    check_out(simple(), "nobody", "alice-secret", "28P01");
    assert_null(strstr(truth.message, "alice-secret"));
}

static void the_right_password_of_an_entry_that_was_found_lets_in(void **state)
{
    (void)state;
    check_in(searching(), "alice", "alice-secret");
    check_out(searching(), "alice", "manager-secret", "28P01");
    check_out(searching(), "nobody", "alice-secret", "28P01");
    assert_non_null(strstr(truth.message, "knows no entry"));
}

/* The directory itself says yes to this, which is why it must not be asked. */
static void an_empty_password_lets_nobody_in(void **state)
{
    (void)state;
    check_out(simple(), "alice", "", "28P01");
    assert_string_equal(truth.message, "the password is empty: LDAP was not asked");
    check_out(searching(), "alice", "", "28P01");
    check_out(simple(), "", "alice-secret", "28P01");
}

static void names_with_special_characters_stay_names(void **state)
{
    (void)state;
    check_in(simple(), "Smith, \"John\" <a+b>;#1=\\x", "smith-secret");
    check_in(simple(), " zoë ", "zoe-secret");
    check_out(simple(), "carol,ou=hidden", "carol-secret", "28P01");
    check_out(searching(), "*", "alice-secret", "28P01");
    check_out(searching(), "alice)(uid=*", "alice-secret", "28P01");
    check_out(searching(), "al\\69ce", "alice-secret", "28P01");
}

static void a_search_must_find_exactly_one_entry(void **state)
{
    struct hba_ldap options = searching();

    (void)state;
    check_out(options, "twin", "twin-secret", "28P01");
    assert_non_null(strstr(truth.message, "knows more than one"));
    options.basedn = "ou=people," SUFFIX;
    options.scope = HBA_LDAP_ONE;
    check_in(options, "twin", "twin-secret");
    options.scope = HBA_LDAP_BASE;
    check_out(options, "twin", "twin-secret", "28P01");
    options.basedn = "cn=alice,ou=people," SUFFIX;
    check_in(options, "alice", "alice-secret");
    options.basedn = "ou=nowhere," SUFFIX;
    check_out(options, "alice", "alice-secret", "28P01");
}

static void filters_and_attributes_may_be_chosen(void **state)
{
    struct hba_ldap options = searching();

    (void)state;
    options.searchattribute = "mail";
    check_in(options, "alice@example.net", "alice-secret");
    check_out(options, "alice", "alice-secret", "28P01");
    options.searchfilter = "(&(objectClass=inetOrgPerson)(|(uid=$username)(mail=$username)))";
    check_in(options, "alice", "alice-secret");
    check_in(options, "alice@example.net", "alice-secret");
    options.searchfilter = "(uid=$username";
    check_out(options, "alice", "alice-secret", "28P01");
}

static void whoever_searches_must_be_let_in_and_see_the_entry(void **state)
{
    struct hba_ldap options = searching();

    (void)state;
    options.bindpasswd = "wrong";
    check_out(options, "alice", "alice-secret", "28P01");
    assert_non_null(strstr(truth.message, "did not let \"cn=manager,"));
    options.binddn = options.bindpasswd = NULL;
    check_out(options, "alice", "alice-secret", "28P01");
}

static void referrals_are_not_followed(void **state)
{
    struct hba_ldap options = searching();

    (void)state;
    options.basedn = "ou=elsewhere," SUFFIX;
    check_out(options, "alice", "alice-secret", "28P01");
    options = simple();
    options.suffix = ",ou=elsewhere," SUFFIX;
    check_out(options, "alice", "alice-secret", "28P01");
}

static void connections_may_be_encrypted(void **state)
{
    struct hba_ldap tls = searching(), start = simple();

    (void)state;
    tls.scheme = "ldaps";
    tls.port = tls_port;
    check_in(tls, "alice", "alice-secret");
    check_out(tls, "alice", "wrong", "28P01");
    start.starttls = true;
    check_in(start, "alice", "alice-secret");
    check_out(start, "alice", "wrong", "28P01");
    start.port = tls_port;
    check_out(start, "alice", "alice-secret", "08006");
}

/* The certificate is for 127.0.0.1. */
static void a_server_with_the_certificate_of_another_gets_no_password(void **state)
{
    struct hba_ldap tls = simple(), start = simple();

    (void)state;
    tls.server = start.server = "localhost";
    tls.scheme = "ldaps";
    tls.port = tls_port;
    check_out(tls, "alice", "alice-secret", "08006");
    start.starttls = true;
    check_out(start, "alice", "alice-secret", "08006");
    start.starttls = false;
    check_in(start, "alice", "alice-secret");
}

/* The words of a server that nobody vouches for are not believed, and it hears no secret. */
static void a_server_with_a_certificate_of_an_unknown_issuer_gets_no_password(void **state)
{
    struct hba_ldap tls = simple(), start = searching();

    (void)state;
    tls.scheme = "ldaps";
    tls.port = tls_port;
    check_out(tls, "alice", "alice-secret", "08006");
    start.starttls = true;
    check_out(start, "alice", "alice-secret", "08006");
}

static void the_next_server_is_asked_when_one_is_down(void **state)
{
    struct hba_ldap options = searching();

    (void)state;
    options.server = "127.0.0.3  127.0.0.1 ";
    check_in(options, "alice", "alice-secret");
    check_out(options, "alice", "wrong", "28P01");
    options.server = "127.0.0.1 127.0.0.3"; /* no is an answer too */
    check_out(options, "alice", "wrong", "28P01");
    options.server = "127.0.0.3";
    check_out(options, "alice", "alice-secret", "08006");
    options.server = " ";
    check_out(options, "alice", "alice-secret", "F0000");
    options.server = "127.0.0.1";
    options.scheme = "http";
    check_out(options, "alice", "alice-secret", "F0000");
}

/* A busy gateway has more descriptors than select(2) can watch. */
static void many_open_descriptors_do_no_harm(void **state)
{
    struct hba_ldap options = searching();
    struct rlimit before, more = { 4096, 4096 };
    int held[2000], count = 0;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    more.rlim_max = before.rlim_max;
    if (before.rlim_cur < more.rlim_cur && setrlimit(RLIMIT_NOFILE, &more) != 0)
        skip();
    while (count < 2000 && (held[count] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
        count++;
    check_in(options, "alice", "alice-secret");
    options.scheme = "ldaps";
    options.port = tls_port;
    check_in(options, "alice", "alice-secret");
    while (count > 0)
        close(held[--count]);
}

struct attempt {
    struct hba_ldap options;
    pthread_t thread;
    struct fault truth;
    bool right;
    uint64_t took_us;
};

static void *attempt_run(void *argument)
{
    struct attempt *attempt = argument;
    uint64_t start_us = clock_now_us();

    attempt->right = ldap_check(&attempt->options, "alice", "alice-secret", &attempt->truth);
    attempt->took_us = clock_now_us() - start_us;
    return NULL;
}

static void a_server_that_never_answers_costs_a_bounded_time(void **state)
{
    enum { CLEAR, FOUND, START, TLS, NEXT, DRIP, DRIP_START, ATTEMPTS };
    struct attempt attempts[ATTEMPTS];

    (void)state;
    for (int i = 0; i < ATTEMPTS; i++) {
        attempts[i] = (struct attempt){ .options = i == FOUND ? searching() : simple() };
        attempts[i].options.server = i == NEXT ? "127.0.0.2 127.0.0.1" : i < NEXT ? "127.0.0.2" : "127.0.0.4";
        attempts[i].options.starttls = i == START || i == DRIP_START;
    }
    attempts[TLS].options.scheme = "ldaps";
    attempts[TLS].options.port = tls_port;
    for (int i = 0; i < ATTEMPTS; i++)
        assert_int_equal(pthread_create(&attempts[i].thread, NULL, attempt_run, &attempts[i]), 0);
    for (int i = 0; i < ATTEMPTS; i++) {
        pthread_join(attempts[i].thread, NULL);
        print_message("%d: %.1f s, %s\n", i, (double)attempts[i].took_us / 1e6, attempts[i].truth.message);
        assert_true(attempts[i].took_us < MUTE_PATIENCE_US);
        assert_int_equal(attempts[i].right, i == NEXT);
        assert_true(i == NEXT || strcmp(attempts[i].truth.sqlstate, "08006") == 0);
    }
}

static void *attempt_often(void *argument)
{
    struct attempt *attempt = argument;

    attempt->right = true;
    for (int i = 0; i < 25 && attempt->right; i++)
        attempt->right = ldap_check(&attempt->options, "alice", "alice-secret", &attempt->truth)
                         && !ldap_check(&attempt->options, "alice", "wrong", &attempt->truth);
    return NULL;
}

static void threads_ask_at_the_same_time(void **state)
{
    enum { ATTEMPTS = 4 };
    struct attempt attempts[ATTEMPTS];

    (void)state;
    for (int i = 0; i < ATTEMPTS; i++) {
        attempts[i] = (struct attempt){ .options = i % 2 == 0 ? simple() : searching() };
        attempts[i].options.starttls = i == 2;
        assert_int_equal(pthread_create(&attempts[i].thread, NULL, attempt_often, &attempts[i]), 0);
    }
    for (int i = 0; i < ATTEMPTS; i++) {
        pthread_join(attempts[i].thread, NULL);
        assert_true(attempts[i].right);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_ask_at_the_same_time),
        cmocka_unit_test(the_right_password_of_a_named_entry_lets_in),
        cmocka_unit_test(the_right_password_of_an_entry_that_was_found_lets_in),
        cmocka_unit_test(an_empty_password_lets_nobody_in),
        cmocka_unit_test(names_with_special_characters_stay_names),
        cmocka_unit_test(a_search_must_find_exactly_one_entry),
        cmocka_unit_test(filters_and_attributes_may_be_chosen),
        cmocka_unit_test(whoever_searches_must_be_let_in_and_see_the_entry),
        cmocka_unit_test(referrals_are_not_followed),
        cmocka_unit_test(connections_may_be_encrypted),
        cmocka_unit_test(a_server_with_the_certificate_of_another_gets_no_password),
        cmocka_unit_test(the_next_server_is_asked_when_one_is_down),
        cmocka_unit_test(many_open_descriptors_do_no_harm),
    };
    const struct CMUnitTest stranger_tests[] = {
        cmocka_unit_test(a_server_with_a_certificate_of_an_unknown_issuer_gets_no_password),
    };
    const struct CMUnitTest slow_tests[] = {
        cmocka_unit_test(a_server_that_never_answers_costs_a_bounded_time),
    };

    port = environment_port("DIRECTORY_PORT");
    tls_port = environment_port("DIRECTORY_TLS_PORT");
    if (port == 0 || tls_port == 0) {
        print_message("SKIPPED: there is no directory in DIRECTORY_PORT and DIRECTORY_TLS_PORT; "
                      "tests/integration/test_ldap_pam.py runs this with one\n");
        return 0;
    }
    if (getenv("DIRECTORY_STRANGER") != NULL)
        return cmocka_run_group_tests(stranger_tests, NULL, NULL);
    if (getenv("DIRECTORY_IMPOSTORS") != NULL)
        return cmocka_run_group_tests(slow_tests, NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
