/* SPDX-License-Identifier: PostgreSQL
 * test_inquiry - a question about a login owns what it needs, and is answered once or not at all. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/auth/hba_ldap.h"
#include "gateway/auth/inquiry.h"
#include "gateway/auth/ldap.h"
#include "gateway/auth/offload.h"
#include "gateway/base/fault.h"
#include "tests/unit/loop.h"

struct asker {
    struct mailbox mailbox;
    struct ev_loop *loop;
    struct offload *offload;
    struct inquiry *inquiry;
    int answers;
    bool right;
    struct fault truth;
};

static struct fault fault;

static int open_asker(void **state)
{
    struct asker *asker = calloc(1, sizeof *asker);

    CHECK(asker != NULL);
    asker->loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
    asker->offload = offload_open(1, 2, &fault);
    CHECK(asker->offload != NULL);
    mailbox_open(&asker->mailbox, asker->loop, asker);
    *state = asker;
    return 0;
}

/* The test has closed the offload. */
static int close_asker(void **state)
{
    struct asker *asker = *state;

    mailbox_close(&asker->mailbox);
    offload_free(asker->offload);
    ev_loop_destroy(asker->loop);
    free(asker);
    return 0;
}

static void answered(void *data, bool right, const struct fault *truth)
{
    struct asker *asker = data;

    asker->inquiry = NULL;
    asker->answers++;
    asker->right = right;
    asker->truth = *truth;
}

/* No server is asked for a name that cannot be put together. */
static const struct hba_ldap mail = { .server = "127.0.0.1", .suffix = "@example.net" };

static struct inquiry *ask(struct asker *asker, const struct hba_ldap *ldap)
{
    const struct inquiry_request request = { .user = "a,b", .password = "secret", .ldap = ldap,
                                             .answered = answered, .asker = asker };

    return inquiry_send(asker->offload, &asker->mailbox, &request, &fault);
}

static void the_asker_may_reuse_everything_at_once(void **state)
{
    struct asker *asker = *state;
    char texts[7][40] = { "a,b", "secret", "127.0.0.1", "ldap", "@example.net", "unused", "unused" };
    struct hba_ldap ldap = { .server = texts[2], .scheme = texts[3], .suffix = texts[4], .binddn = texts[5],
                             .bindpasswd = texts[6] };
    struct inquiry_request request = { .user = texts[0], .password = texts[1], .ldap = &ldap,
                                       .answered = answered, .asker = asker };

    asker->inquiry = inquiry_send(asker->offload, &asker->mailbox, &request, &fault);
    assert_non_null(asker->inquiry);
    memset(texts, 'x', sizeof texts);
    memset(&ldap, 'x', sizeof ldap);
    memset(&request, 'x', sizeof request);
    loop_until(asker->loop, asker->answers == 1);
    assert_null(asker->inquiry);
    assert_false(asker->right);
    assert_string_equal(asker->truth.sqlstate, "28P01");
    assert_memory_equal(asker->truth.message, "user \"a,b\" has", 14);
    offload_close(asker->offload, UINT64_MAX);
}

static void a_forgotten_inquiry_is_not_answered(void **state)
{
    struct asker *asker = *state;

    for (int i = 0; i < 100; i++) {
        struct inquiry *inquiry = ask(asker, &mail);

        if (inquiry != NULL)
            inquiry_forget(inquiry);
        loop_a_while(asker->loop);
    }
    offload_close(asker->offload, UINT64_MAX);
    loop_a_while(asker->loop);
    assert_int_equal(asker->answers, 0);
}

static void a_closed_or_full_queue_says_so(void **state)
{
    struct asker *asker = *state;

    offload_close(asker->offload, UINT64_MAX);
    assert_null(ask(asker, &mail));
    assert_string_equal(fault.sqlstate, "53300");
    assert_int_equal(asker->answers, 0);
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool gone;

static void wait_at_gate(struct offload_job *job)
{
    (void)job;
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
}

static void ignore(struct offload_job *job, enum offload_outcome outcome)
{
    (void)job;
    (void)outcome;
}

static void say_gone(struct offload_job *job)
{
    (void)job;
    atomic_store(&gone, true);
}

static void the_end_of_the_gateway_is_an_answer(void **state)
{
    struct asker *asker = *state;
    static struct offload_job blocking;

    blocking = (struct offload_job){
        .mailbox = &asker->mailbox, .run = wait_at_gate, .done = ignore, .dispose = say_gone
    };
    pthread_mutex_lock(&gate);
    assert_true(offload_submit(asker->offload, &blocking));
    asker->inquiry = ask(asker, &mail);
    assert_non_null(asker->inquiry);
    offload_close(asker->offload, 1000);
    loop_until(asker->loop, asker->answers == 1);
    assert_false(asker->right);
    assert_string_equal(asker->truth.sqlstate, "57P01");
    pthread_mutex_unlock(&gate);
    loop_until(asker->loop, atomic_load(&gone));
}

static void without_options_for_ldap_pam_is_asked(void **state)
{
    struct asker *asker = *state;
    const struct inquiry_request request = { .user = "a", .password = "", .service = "pgsluice",
                                             .answered = answered, .asker = asker };

    assert_non_null(inquiry_send(asker->offload, &asker->mailbox, &request, &fault));
    loop_until(asker->loop, asker->answers == 1);
    assert_string_equal(asker->truth.message, "the password is empty: PAM was not asked");
    offload_close(asker->offload, UINT64_MAX);
}

#define with_asker(test) cmocka_unit_test_setup_teardown(test, open_asker, close_asker)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_asker(the_asker_may_reuse_everything_at_once),
        with_asker(a_forgotten_inquiry_is_not_answered),
        with_asker(a_closed_or_full_queue_says_so),
        with_asker(the_end_of_the_gateway_is_an_answer),
        with_asker(without_options_for_ldap_pam_is_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
