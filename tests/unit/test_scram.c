/* SPDX-License-Identifier: PostgreSQL
 * test_scram - the server's side with all that a client can get wrong, and both sides together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/fault.h"
#include "gateway/wire/base64.h"
#include "gateway/wire/scram.h"
#include "gateway/wire/scram_parts.h"
#include "gateway/wire/write.h"

#define TEXT(text) (text), strlen(text)

/* The example of RFC 7677, section 3: user "user", password "pencil". */
static const char rfc_bare[] = "n=user,r=rOprNGfwEbeRWgbNEkqO";
static const char rfc_nonce[] = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
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

static struct scram_server rfc_server(void)
{
    struct scram_server s;
    unsigned char client_key[SCRAM_KEY_BYTES];

    memset(&s, 0, sizeof s);
    s.verifier.iterations = 4096;
    assert_true(base64_decode(TEXT("W22ZaJ0SNY7soEsUEjb6gQ=="), s.verifier.salt, SCRAM_SALT_MAX_BYTES,
                              &s.verifier.salt_bytes));
    assert_true(scram_keys("pencil", s.verifier.salt, s.verifier.salt_bytes, 4096, client_key,
                           s.verifier.server_key));
    assert_true(scram_stored_key(client_key, s.verifier.stored_key));
    strcpy(s.client_first_bare, rfc_bare);
    strcpy(s.server_first, rfc_server_first);
    strcpy(s.nonce, rfc_nonce);
    s.gs2_header = 'n';
    return s;
}

static void the_server_takes_the_proof_of_the_rfc_and_answers_it(void **state)
{
    struct scram_server s = rfc_server();
    bool matches;

    (void)state;
    assert_true(scram_server_final(&s, TEXT(rfc_client_final), fresh(64), &matches, &fault));
    assert_true(matches);
    assert_string_equal(room, rfc_server_final);
    assert_int_equal(out.used, strlen(rfc_server_final));
}

/* A whole exchange between our two sides; the answers of both are left in *c and *s. */
static bool exchange(struct scram_client *c, struct scram_server *s)
{
    char answer_room[512];
    struct builder answer;
    bool matches;

    scram_client_first(c, fresh(128));
    builder_init(&answer, answer_room, 512);
    assert_true(scram_server_first(s, out.bytes, out.used, &answer, &fault));
    assert_true(scram_client_final(c, answer.bytes, answer.used, fresh(SCRAM_MESSAGE_MAX_BYTES), &fault));
    builder_init(&answer, answer_room, 64);
    assert_true(scram_server_final(s, out.bytes, out.used, &answer, &matches, &fault));
    assert_true(matches ? answer.used > 0 : answer.used == 0);
    return matches && scram_client_verify(c, answer.bytes, answer.used, &fault);
}

static void both_sides_understand_each_other(void **state)
{
    static const char *const passwords[] = { "", "a", "secret", "caf\xc3\xa9", "\xff\xfe", "a b,c=d" };

    (void)state;
    for (size_t i = 0; i < sizeof passwords / sizeof *passwords; i++) {
        struct scram_client c;
        struct scram_server s;

        memset(&c, 0, sizeof c);
        memset(&s, 0, sizeof s);
        c.password = passwords[i];
        assert_true(scram_verifier_make(passwords[i], 10, &s.verifier));
        assert_true(exchange(&c, &s));
        memset(&c, 0, sizeof c);
        memset(s.nonce, 0, sizeof s.nonce);
        c.password = "wrong";
        assert_false(exchange(&c, &s));
    }
}

static void a_login_gives_the_key_for_the_next_one(void **state)
{
    struct scram_client c;
    struct scram_server s, next;

    (void)state;
    memset(&c, 0, sizeof c);
    memset(&s, 0, sizeof s);
    memset(&next, 0, sizeof next);
    c.password = "secret";
    assert_true(scram_verifier_make("secret", 10, &s.verifier));
    next.verifier = s.verifier;
    assert_true(exchange(&c, &s));
    memset(&c, 0, sizeof c);
    memcpy(c.client_key, s.client_key, SCRAM_KEY_BYTES);
    memcpy(c.server_key, s.verifier.server_key, SCRAM_KEY_BYTES);
    assert_true(exchange(&c, &next));
}

static void a_mock_verifier_matches_nothing(void **state)
{
    unsigned char secret[32] = { 1 };
    struct scram_client c;
    struct scram_server s;

    (void)state;
    memset(&c, 0, sizeof c);
    memset(&s, 0, sizeof s);
    c.password = "secret";
    scram_verifier_mock("nobody", secret, &s.verifier);
    assert_false(exchange(&c, &s));
}

static void first_messages_that_are_refused(void **state)
{
    static const struct {
        const char *message, *sqlstate;
    } bad[] = {
        { "p=tls-server-end-point,,n=,r=abc", "0A000" },
        { "n,a=bob,n=,r=abc", "0A000" },
        { "n,,m=x,n=,r=abc", "0A000" },
        { "x,,n=,r=abc", "08P01" },
        { "n", "08P01" },
        { "n,", "08P01" },
        { "n,,", "08P01" },
        { "y,,n=", "08P01" },
        { "n,,n=,", "08P01" },
        { "n,,r=abc", "08P01" },
        { "n,,r=abc,n=", "08P01" },
        { "n,,n=,r=", "08P01" },
        { "n,,n=,r=a b", "08P01" },
        { "n,,n=,r=abc,", "08P01" },
        { "n,,n=,r=abc,x", "08P01" },
        { "n,,n=,r=\x80", "08P01" },
        { "n,x,n=,r=abc", "08P01" },
        { "nn,,n=,r=abc", "08P01" },
        { "n,,n=,n=,r=abc", "08P01" },
        { "n,,n=,r=abc,=1", "08P01" },
        { "n,,n=,r=abc,,x=1", "08P01" },
        { ",,n=,r=abc", "08P01" },
        { "", "08P01" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct scram_server s = rfc_server();

        s.nonce[0] = '\0';
        assert_false(scram_server_first(&s, TEXT(bad[i].message), fresh(512), &fault));
        assert_string_equal(fault.sqlstate, bad[i].sqlstate);
        assert_int_equal(out.used, 0);
    }
}

static bool first_with_nonce(size_t nonce_bytes)
{
    struct scram_server s = rfc_server();
    char message[3000];

    s.nonce[0] = '\0';
    memcpy(message, "n,,n=,r=", 8);
    memset(message + 8, 'x', nonce_bytes);
    return scram_server_first(&s, message, 8 + nonce_bytes, fresh(512), &fault);
}

static void long_nonces_of_clients_are_refused(void **state)
{
    (void)state;
    assert_true(first_with_nonce(103));
    assert_false(first_with_nonce(104));
    assert_false(first_with_nonce(2039));
    assert_false(first_with_nonce(2040));
    assert_false(first_with_nonce(2900));
}

static void extensions_behind_the_nonce_are_ignored(void **state)
{
    struct scram_server s = rfc_server();

    (void)state;
    s.nonce[0] = '\0';
    assert_true(scram_server_first(&s, TEXT("y,,n=x,r=abc,x=1,y=2"), fresh(512), &fault));
    assert_int_equal(s.gs2_header, 'y');
    assert_string_equal(s.client_first_bare, "n=x,r=abc,x=1,y=2");
    assert_false(scram_server_first(&s, TEXT("n,,n=,r=abc"), fresh(512), &fault));
}

static void final_messages_that_are_malformed(void **state)
{
    static const char proof[] = "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    static const char *const bad[] = {
        "",
        "c=biws",
        "c=biws,",
        "c=biws,p=%",
        "c=eSws,r=@,p=%",
        "c=biws,r=@",
        "c=biws,r=@,",
        "c=biws,r=@,x=1",
        "c=biws,r=@x,p=%",
        "c=biws,r=,p=%",
        "r=@,c=biws,p=%",
        "c=biws,r=@,p=%,x=1",
        "c=biws,r=@,p=%,",
        "c=biws,r=@,p=",
        "c=biws,r=@,p=AAAA",
        "c=biws,r=@,p=%AAAA",
        "c=biws,r=@,1=2,p=%",
        "p=%",
        "c=biws r=@,p=%",
        "c=biws,c=biws,r=@,p=%",
        "c=biws,r=@,p=%,p=%",
        "c=,r=@,p=%",
        "c=biws=,r=@,p=%",
        "c=cD10bHMtc2VydmVyLWVuZC1wb2ludCws,r=@,p=%",
        "r=@,p=%",
        "c=biws,r=@,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVR=",
        "c=biws,r=@,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ",
        "c=biws,r=@,p=dHzbZapWIk4jUhN!Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct scram_server s = rfc_server();
        char message[1000];
        size_t used = 0;
        bool matches = true;

        for (const char *from = bad[i]; *from != '\0'; from++) {
            if (*from == '@')
                used += (size_t)sprintf(message + used, "%s", rfc_nonce);
            else if (*from == '%')
                used += (size_t)sprintf(message + used, "%s", proof + 2);
            else
                message[used++] = *from;
        }
        assert_false(scram_server_final(&s, message, used, fresh(64), &matches, &fault));
        assert_false(matches);
        assert_string_equal(fault.sqlstate, "08P01");
        assert_int_equal(out.used, 0);
    }
}

static void a_changed_proof_does_not_match(void **state)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t start = strlen(rfc_client_final) - 44;

    (void)state;
    for (size_t i = start; i < start + 42; i++) {
        struct scram_server s = rfc_server();
        char message[sizeof rfc_client_final];
        bool matches = true;

        memcpy(message, rfc_client_final, sizeof message);
        message[i] = digits[(strchr(digits, message[i]) - digits + 1) % 64];
        assert_true(scram_server_final(&s, TEXT(message), fresh(64), &matches, &fault));
        assert_false(matches);
        assert_int_equal(out.used, 0);
        assert_int_equal(s.client_key[0] | s.client_key[31], 0);
    }
}

static void a_final_message_out_of_turn_is_refused(void **state)
{
    struct scram_server s = rfc_server();
    bool matches = true;

    (void)state;
    s.nonce[0] = '\0';
    assert_false(scram_server_final(&s, TEXT("c=biws,r=,p="), fresh(64), &matches, &fault));
    assert_false(matches);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_server_takes_the_proof_of_the_rfc_and_answers_it),
        cmocka_unit_test(both_sides_understand_each_other),
        cmocka_unit_test(a_login_gives_the_key_for_the_next_one),
        cmocka_unit_test(a_mock_verifier_matches_nothing),
        cmocka_unit_test(first_messages_that_are_refused),
        cmocka_unit_test(long_nonces_of_clients_are_refused),
        cmocka_unit_test(extensions_behind_the_nonce_are_ignored),
        cmocka_unit_test(final_messages_that_are_malformed),
        cmocka_unit_test(a_changed_proof_does_not_match),
        cmocka_unit_test(a_final_message_out_of_turn_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
