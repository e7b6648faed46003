/* SPDX-License-Identifier: PostgreSQL
 * test_pam - who is let in by real PAM modules, asked here and on other threads.
 * tests/integration/test_ldap_pam.py writes the service files and runs this with PGSLUICE_PAM_DIRECTORY;
 * without it there is nobody to ask. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/auth/inquiry.h"
#include "gateway/auth/offload.h"
#include "gateway/auth/pam.h"
#include "gateway/base/fault.h"
#include "tests/unit/loop.h"

static struct fault truth;

static void check_in(const char *service, const char *password)
{
    if (!pam_check(service, "alice", password, NULL, &truth))
        fail_msg("service %s was expected to let alice in: %s", service, truth.message);
}

static void check_out(const char *service, const char *user, const char *password, const char *sqlstate)
{
    if (pam_check(service, user, password, NULL, &truth))
        fail_msg("service %s let %s in", service, user);
    if (strcmp(truth.sqlstate, sqlstate) != 0)
        fail_msg("service %s refused %s with %s, not %s: %s", service, user, truth.sqlstate, sqlstate,
                 truth.message);
}

static void the_right_password_lets_in(void **state)
{
    (void)state;
    check_in("password", "alice-secret");
    check_out("password", "alice", "wrong", "28P01");
    check_out("password", "alice", "alice-secret2", "28P01");
    check_out("password", "bob", "alice-secret", "28P01");
    assert_null(strstr(truth.message, "alice-secret"));
}

static void an_empty_password_lets_nobody_in(void **state)
{
    (void)state;
    check_in("anybody", "whatever");
    check_out("anybody", "alice", "", "28P01");
    assert_string_equal(truth.message, "the password is empty: PAM was not asked");
    check_out("anybody", "", "alice-secret", "28P01");
}

static void the_modules_have_the_last_word(void **state)
{
    (void)state;
    check_out("nobody", "alice", "alice-secret", "28P01");
    check_out("closed", "alice", "alice-secret", "28P01");
    assert_non_null(strstr(truth.message, "did not accept the account"));
    check_out("expired", "alice", "alice-secret", "28000");
    check_out("expired", "alice", "wrong", "28P01");
}

static void the_clients_address_is_told(void **state)
{
    (void)state;
    assert_true(pam_check("address", "alice", "alice-secret", "192.0.2.7", &truth));
    assert_false(pam_check("address", "alice", "alice-secret", "192.0.2.8", &truth));
    check_out("address", "alice", "alice-secret", "28P01");
}

static void the_password_is_given_once_and_texts_are_ignored(void **state)
{
    (void)state;
    check_in("talkative", "alice-secret");
    check_in("once", "whatever");
    assert_false(pam_check("twice", "alice", "whatever", NULL, &truth));
    assert_non_null(strstr(truth.hint, "more than a password"));
}

static void services_that_cannot_work_let_nobody_in(void **state)
{
    (void)state;
    assert_false(pam_check("broken", "alice", "alice-secret", NULL, &truth));
    assert_false(pam_check("no_such_service", "alice", "alice-secret", NULL, &truth));
    assert_false(pam_check("", "alice", "alice-secret", NULL, &truth));
    assert_false(pam_check("../../etc/pam.d/other", "alice", "alice-secret", NULL, &truth));
}

struct login {
    struct inquiry *inquiry;
    int *left;
    bool expected;
};

static void login_answered(void *asker, bool right, const struct fault *why)
{
    struct login *login = asker;

    login->inquiry = NULL;
    (*login->left)--;
    if (right != login->expected)
        fail_msg("a login was answered the wrong way round: %s", why->message);
}

static void many_logins_are_decided_on_other_threads(void **state)
{
    enum { LOGINS = 60 };
    struct offload *offload = offload_open(4, LOGINS, &truth);
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
    struct mailbox mailbox;
    struct login logins[LOGINS];
    int left = LOGINS;

    (void)state;
    assert_non_null(offload);
    mailbox_open(&mailbox, loop, NULL);
    for (int i = 0; i < LOGINS; i++) {
        struct inquiry_request request = { .user = "alice", .service = "password", .answered = login_answered,
                                           .asker = &logins[i] };

        request.password = i % 2 == 0 ? "alice-secret" : "wrong";
        logins[i] = (struct login){ .left = &left, .expected = i % 2 == 0 };
        logins[i].inquiry = inquiry_send(offload, &mailbox, &request, &truth);
        assert_non_null(logins[i].inquiry);
    }
    for (int i = 0; i < LOGINS; i += 10, left--)
        inquiry_forget(logins[i].inquiry);
    loop_until(loop, left == 0);
    offload_close(offload, UINT64_MAX);
    mailbox_close(&mailbox);
    offload_free(offload);
    ev_loop_destroy(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_right_password_lets_in),
        cmocka_unit_test(an_empty_password_lets_nobody_in),
        cmocka_unit_test(the_modules_have_the_last_word),
        cmocka_unit_test(the_clients_address_is_told),
        cmocka_unit_test(the_password_is_given_once_and_texts_are_ignored),
        cmocka_unit_test(services_that_cannot_work_let_nobody_in),
        cmocka_unit_test(many_logins_are_decided_on_other_threads),
    };

    if (getenv("PGSLUICE_PAM_DIRECTORY") == NULL) {
        print_message("SKIPPED: there are no service files in PGSLUICE_PAM_DIRECTORY; "
                      "tests/integration/test_ldap_pam.py runs this with some\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
