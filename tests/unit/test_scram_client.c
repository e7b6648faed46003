/* SPDX-License-Identifier: PostgreSQL
 * test_scram_client - the client's side: the proof of RFC 7677, and servers that lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/fault.h"
#include "gateway/wire/scram.h"
#include "gateway/wire/write.h"

#define TEXT(text) (text), strlen(text)

/* The example of RFC 7677, section 3: user "user", password "pencil". */
static const char rfc_bare[] = "n=user,r=rOprNGfwEbeRWgbNEkqO";
static const char rfc_server_first[] =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
static const char rfc_client_final[] = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                                       "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
static const char rfc_server_final[] = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

static struct fault fault;
static char room[SCRAM_MESSAGE_MAX_BYTES + 1]; /* zeroed before each message, so that it is text */
static struct builder out;

static struct builder *fresh(size_t bytes)
{
    memset(room, 0, sizeof room);
    builder_init(&out, room, bytes);
    return &out;
}

static struct scram_client rfc_client(void)
{
    struct scram_client c;

    memset(&c, 0, sizeof c);
    c.password = "pencil";
    strcpy(c.client_first_bare, rfc_bare);
    strcpy(c.nonce, "rOprNGfwEbeRWgbNEkqO");
    return c;
}

static void the_client_gives_the_proof_of_the_rfc(void **state)
{
    struct scram_client c = rfc_client();

    (void)state;
    assert_true(scram_client_final(&c, TEXT(rfc_server_first), fresh(SCRAM_MESSAGE_MAX_BYTES), &fault));
    assert_int_equal(out.used, strlen(rfc_client_final));
    assert_string_equal(room, rfc_client_final);
    assert_true(scram_client_verify(&c, TEXT(rfc_server_final), &fault));
}

/* A `@` stands for our nonce. */
static const char *const bad_challenges[] = {
    "",
    "r",
    "r=",
    "r=@",
    "r=@x",
    "r=@x,s=",
    "r=@x,s=,i=1",
    "r=@x,s=AAAA",
    "r=@x,s=AAAA,",
    "r=@x,s=AAAA,i=",
    "r=@x,s=AAAA,i=0",
    "r=@x,s=AAAA,i=-1",
    "r=@x,s=AAAA,i=100001",
    "r=@x,s=AAAA,i=2147483647",
    "r=@x,s=AAAA,i=4294967297",
    "r=@x,s=AAAA,i=1x",
    "r=x@x,s=AAAA,i=1",
    "r=@,s=AAAA,i=1",
    "s=AAAA,r=@x,i=1",
    "r=@x,s=AAA,i=1",
    "r=@x,i=1,s=AAAA",
    "m=1,r=@x,s=AAAA,i=1",
    "r=@x,s=AAAA,i=1,",
    "e=other-error",
    "r=@x,r=@x,s=AAAA,i=1",
    "r=@x,s=AAAA,s=AAAA,i=1",
    "r=@x,s=AAAA,i=2147483648",
    "r=@x,s=AAAA,i=99999999999",
    "r=@x,s=AAAA,i=18446744073709551617",
    "r=@x,s=AAAA,i=+1",
    "r=@x,s=AAAA,i= 1",
    "r=@x,s=AAAA,i=0x10",
    "r=@x,s=A===,i=1",
    "r=@x,s=AAB=,i=1",
    "r=@x,s=AA=A,i=1",
    "r=@x,s=AAA\n,i=1",
    "r=@x,s=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=,i=1",
    "r=@x\x7f,s=AAAA,i=1",
    ",r=@x,s=AAAA,i=1",
    "r=@x,,s=AAAA,i=1",
};

static void challenges_of_servers_that_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_challenges / sizeof *bad_challenges; i++) {
        struct scram_client c = rfc_client();
        char message[1000];
        size_t used = 0;

        for (const char *from = bad_challenges[i]; *from != '\0'; from++) {
            if (*from == '@')
                used += (size_t)sprintf(message + used, "%s", c.nonce);
            else
                message[used++] = *from;
        }
        assert_false(scram_client_final(&c, message, used, fresh(SCRAM_MESSAGE_MAX_BYTES), &fault));
        assert_int_equal(out.used, 0);
        assert_false(scram_client_verify(&c, TEXT(rfc_server_final), &fault));
    }
}

static void zero_bytes_in_challenges_are_refused(void **state)
{
    static const char whole[] = "r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=1";

    (void)state;
    for (size_t i = 0; i < sizeof whole; i++) {
        struct scram_client c = rfc_client();
        char message[sizeof whole];

        memcpy(message, whole, sizeof whole);
        message[i] = '\0';
        assert_false(scram_client_final(&c, message, sizeof whole, fresh(SCRAM_MESSAGE_MAX_BYTES), &fault));
        assert_string_equal(fault.sqlstate, "08P01");
    }
}

static bool challenge_with_nonce(size_t more)
{
    struct scram_client c = rfc_client();
    static char message[70000];
    size_t used = (size_t)sprintf(message, "r=%s", c.nonce);

    memset(message + used, 'x', more);
    used += more;
    used += (size_t)sprintf(message + used, ",s=AAAA,i=1");
    return scram_client_final(&c, message, used, fresh(SCRAM_MESSAGE_MAX_BYTES), &fault);
}

static void long_nonces_of_servers_are_refused(void **state)
{
    (void)state;
    assert_true(challenge_with_nonce(1));
    assert_true(challenge_with_nonce(1500));
    for (size_t more = 1900; more < 2100; more++)
        (void)challenge_with_nonce(more);
    assert_false(challenge_with_nonce(2100));
    assert_false(challenge_with_nonce(60000));
    assert_true(challenge_with_nonce(1855));
    assert_false(challenge_with_nonce(1856));
}

static void a_server_without_the_password_is_not_believed(void **state)
{
    static const char *const bad[] = {
        "", "v", "v=", "v=AAAA", "v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "e=invalid-proof", "x=1",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct scram_client c = rfc_client();

        assert_true(scram_client_final(&c, TEXT(rfc_server_first), fresh(SCRAM_MESSAGE_MAX_BYTES), &fault));
        assert_false(scram_client_verify(&c, TEXT(bad[i]), &fault));
    }
}

static void a_second_challenge_gets_no_second_proof(void **state)
{
    struct scram_client c = rfc_client();

    (void)state;
    assert_true(scram_client_final(&c, TEXT(rfc_server_first), fresh(SCRAM_MESSAGE_MAX_BYTES), &fault));
    assert_false(scram_client_final(&c, TEXT(rfc_server_first), fresh(SCRAM_MESSAGE_MAX_BYTES), &fault));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_client_gives_the_proof_of_the_rfc),
        cmocka_unit_test(challenges_of_servers_that_are_refused),
        cmocka_unit_test(zero_bytes_in_challenges_are_refused),
        cmocka_unit_test(long_nonces_of_servers_are_refused),
        cmocka_unit_test(a_server_without_the_password_is_not_believed),
        cmocka_unit_test(a_second_challenge_gets_no_second_proof),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
