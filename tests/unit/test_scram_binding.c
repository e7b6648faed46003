/* SPDX-License-Identifier: PostgreSQL
 * test_scram_binding - SCRAM-SHA-256-PLUS on both sides: who binds, who is kept from it, and who lies. */
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
#include "gateway/wire/write.h"

#define TEXT(text) (text), strlen(text)
#define BODY(text) (text), sizeof(text) - 1
#define NONCE "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"

/* The user, password, salt and nonces of RFC 7677, bound to the bytes 0 to 31; computed independently. */
static const char verifier_text[] =
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
    ":wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
static const char bare[] = "n=user,r=rOprNGfwEbeRWgbNEkqO";
static const char challenge[] = "r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
static const char bound_c[] = "cD10bHMtc2VydmVyLWVuZC1wb2ludCwsAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
static const char bound_final[] =
    "c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=,r=" NONCE
    ",p=nY1Wus9a+gM2DrbQ1msXFgyhW6KM5ktOxWiU+/P/EGY=";
static const char bound_signature[] = "v=RwppMGddhz/J0lFYaRReBjXcQeNUFP5Qc76Lo5Exrig=";
static const char able_final[] = "c=eSws,r=" NONCE ",p=FoqiHTtQEDE8lz1CdaEe3tK4mS+iMDTl77SPyDS53DY=";
static const char able_signature[] = "v=dI4KpiQJwBr1+V+K6U1dA6l6I4I9DUNXWND4pcpRU3U=";

static struct fault fault;
static char room[SCRAM_MESSAGE_MAX_BYTES + 1]; /* zeroed before each message, so that it is text */
static struct builder out;
static unsigned char data[SCRAM_BINDING_MAX_BYTES];

static struct builder *fresh(size_t bytes)
{
    memset(room, 0, sizeof room);
    builder_init(&out, room, bytes);
    return &out;
}

static int data_fill(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)i;
    return 0;
}

/* A server that offers PLUS when there is binding data, and whose client chose this mechanism. */
static struct scram_server server(size_t binding_bytes, const char *mechanism)
{
    struct scram_server s;

    memset(&s, 0, sizeof s);
    assert_true(scram_verifier_parse(verifier_text, &s.verifier));
    scram_binding_set(&s.binding, data, binding_bytes);
    assert_true(scram_server_choose(&s, mechanism, &fault));
    return s;
}

/* The same behind the first two messages of the RFC. */
static struct scram_server server_of_rfc(char flag)
{
    struct scram_server s = server(32, flag == 'p' ? SCRAM_MECHANISM_PLUS : SCRAM_MECHANISM);

    strcpy(s.client_first_bare, bare);
    strcpy(s.server_first, challenge);
    strcpy(s.nonce, NONCE);
    s.gs2_header = flag;
    return s;
}

static struct scram_client client_of_rfc(bool plus)
{
    struct scram_client c;

    memset(&c, 0, sizeof c);
    c.password = "pencil";
    scram_binding_set(&c.binding, data, 32);
    c.plus = plus;
    strcpy(c.client_first_bare, bare);
    strcpy(c.nonce, "rOprNGfwEbeRWgbNEkqO");
    return c;
}

static void the_client_gives_the_proof_that_is_expected(void **state)
{
    struct scram_client bound = client_of_rfc(true), able = client_of_rfc(false);

    (void)state;
    assert_true(scram_client_final(&bound, TEXT(challenge), fresh(SCRAM_MESSAGE_MAX_BYTES), &fault));
    assert_string_equal(room, bound_final);
    assert_true(scram_client_verify(&bound, TEXT(bound_signature), &fault));
    assert_true(scram_client_final(&able, TEXT(challenge), fresh(SCRAM_MESSAGE_MAX_BYTES), &fault));
    assert_string_equal(room, able_final);
    assert_true(scram_client_verify(&able, TEXT(able_signature), &fault));
}

static void the_server_takes_that_proof_and_answers_it(void **state)
{
    struct scram_server bound = server_of_rfc('p'), able = server_of_rfc('y');
    bool matches;

    (void)state;
    assert_true(scram_server_final(&bound, TEXT(bound_final), fresh(64), &matches, &fault));
    assert_true(matches);
    assert_string_equal(room, bound_signature);
    assert_true(scram_server_final(&able, TEXT(able_final), fresh(64), &matches, &fault));
    assert_true(matches);
    assert_string_equal(room, able_signature);
}

/* A whole exchange between our two sides; false with the server's or the client's fault. */
static bool exchange(struct scram_client *c, struct scram_server *s)
{
    char answer_room[512];
    struct builder answer;
    const char *list, *mechanism;
    size_t bytes;
    bool matches;

    list = scram_mechanisms(s->binding.bytes > 0, &bytes);
    mechanism = scram_client_choose(c, list, bytes);
    assert_true(scram_server_choose(s, mechanism, &fault));
    scram_client_first(c, fresh(128));
    builder_init(&answer, answer_room, 512);
    if (!scram_server_first(s, out.bytes, out.used, &answer, &fault))
        return false;
    assert_true(scram_client_final(c, answer.bytes, answer.used, fresh(SCRAM_MESSAGE_MAX_BYTES), &fault));
    builder_init(&answer, answer_room, 64);
    if (!scram_server_final(s, out.bytes, out.used, &answer, &matches, &fault))
        return false;
    return matches && scram_client_verify(c, answer.bytes, answer.used, &fault);
}

static void both_sides_bind_with_password_and_with_keys(void **state)
{
    (void)state;
    for (size_t bytes = 0; bytes <= sizeof data; bytes++) {
        struct scram_server s = server(bytes, SCRAM_MECHANISM), again = s;
        struct scram_client c;

        memset(&c, 0, sizeof c);
        c.password = "pencil";
        scram_binding_set(&c.binding, data, bytes);
        assert_true(exchange(&c, &s));
        assert_int_equal(s.gs2_header, bytes > 0 ? 'p' : 'n');
        memset(&c, 0, sizeof c);
        memcpy(c.client_key, s.client_key, SCRAM_KEY_BYTES);
        memcpy(c.server_key, s.verifier.server_key, SCRAM_KEY_BYTES);
        scram_binding_set(&c.binding, data, bytes);
        assert_true(exchange(&c, &again));
        assert_int_equal(again.plus, bytes > 0);
    }
}

static void sides_on_different_connections_do_not_agree(void **state)
{
    (void)state;
    for (size_t bytes = 1; bytes < sizeof data; bytes++) {
        struct scram_server s = server(bytes, SCRAM_MECHANISM);
        struct scram_client c;

        memset(&c, 0, sizeof c);
        c.password = "pencil";
        scram_binding_set(&c.binding, data, bytes % 2 == 0 ? bytes : bytes + 1);
        c.binding.data[bytes / 2] ^= bytes % 2 == 0;
        assert_false(exchange(&c, &s));
        assert_string_equal(fault.sqlstate, "28000");
        assert_int_equal(s.client_key[0] | s.client_key[31], 0);
    }
}

static void a_wrong_password_does_not_match_on_the_right_connection(void **state)
{
    struct scram_server s = server(32, SCRAM_MECHANISM);
    struct scram_client c;

    (void)state;
    memset(&c, 0, sizeof c);
    c.password = "Pencil";
    scram_binding_set(&c.binding, data, 32);
    assert_false(exchange(&c, &s));
    assert_int_equal(s.gs2_header, 'p');
}

static void every_side_may_do_without_binding(void **state)
{
    struct scram_server without = server(0, SCRAM_MECHANISM), with = server(32, SCRAM_MECHANISM);
    struct scram_client c;

    (void)state;
    memset(&c, 0, sizeof c);
    c.password = "pencil";
    assert_true(exchange(&c, &with));
    assert_int_equal(with.gs2_header, 'n');
    memset(&c, 0, sizeof c);
    c.password = "pencil";
    scram_binding_set(&c.binding, data, 32);
    assert_true(exchange(&c, &without));
    assert_int_equal(without.gs2_header, 'y');
}

static void first_messages_that_do_not_fit_the_mechanism_are_refused(void **state)
{
    static const struct {
        size_t binding_bytes;
        const char *mechanism, *message, *sqlstate;
    } bad[] = {
        { 0, SCRAM_MECHANISM, "p=tls-server-end-point,,n=,r=abc", "0A000" },
        { 32, SCRAM_MECHANISM, "p=tls-server-end-point,,n=,r=abc", "08P01" },
        { 32, SCRAM_MECHANISM, "y,,n=,r=abc", "28000" },
        { 32, SCRAM_MECHANISM_PLUS, "y,,n=,r=abc", "08P01" },
        { 32, SCRAM_MECHANISM_PLUS, "n,,n=,r=abc", "08P01" },
        { 32, SCRAM_MECHANISM_PLUS, "p=tls-unique,,n=,r=abc", "08P01" },
        { 32, SCRAM_MECHANISM_PLUS, "p=tls-exporter,,n=,r=abc", "08P01" },
        { 32, SCRAM_MECHANISM_PLUS, "p=tls-server-end-pointx,,n=,r=abc", "08P01" },
        { 32, SCRAM_MECHANISM_PLUS, "p=TLS-SERVER-END-POINT,,n=,r=abc", "08P01" },
        { 32, SCRAM_MECHANISM_PLUS, "p", "08P01" },
        { 32, SCRAM_MECHANISM_PLUS, "p,,n=,r=abc", "08P01" },
        { 32, SCRAM_MECHANISM_PLUS, "p=", "08P01" },
        { 32, SCRAM_MECHANISM_PLUS, "p=,,n=,r=abc", "08P01" },
        { 32, SCRAM_MECHANISM_PLUS, "p=tls-server-end-point", "08P01" },
        { 32, SCRAM_MECHANISM_PLUS, "p=tls-server-end-point,", "08P01" },
        { 32, SCRAM_MECHANISM_PLUS, "p=tls-server-end-point,,", "08P01" },
        { 32, SCRAM_MECHANISM_PLUS, "p=tls-server-end-point,n=,r=abc", "08P01" },
        { 32, SCRAM_MECHANISM_PLUS, "p=tls-server-end-point,a=bob,n=,r=abc", "0A000" },
        { 32, SCRAM_MECHANISM_PLUS, "p=tls-server-end-point,,n=,n=,r=abc", "08P01" },
        { 32, SCRAM_MECHANISM_PLUS, "P=tls-server-end-point,,n=,r=abc", "08P01" },
        { 32, SCRAM_MECHANISM_PLUS, "", "08P01" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct scram_server s = server(bad[i].binding_bytes, bad[i].mechanism);

        assert_false(scram_server_first(&s, TEXT(bad[i].message), fresh(512), &fault));
        assert_string_equal(fault.sqlstate, bad[i].sqlstate);
        assert_int_equal(out.used, 0);
        assert_int_equal(s.nonce[0], 0);
    }
}

static void a_zero_byte_in_the_header_is_refused(void **state)
{
    struct scram_server s = server(32, SCRAM_MECHANISM_PLUS);

    (void)state;
    assert_false(scram_server_first(&s, BODY("p=tls-server-end-point\0,,n=,r=abc"), fresh(512), &fault));
    assert_false(scram_server_first(&s, BODY("p=tls-server-end-point,,n=,r=abc\0"), fresh(512), &fault));
    assert_string_equal(fault.sqlstate, "08P01");
}

static void binding_check_refuses(const char *value)
{
    struct scram_server s = server_of_rfc('p');
    char message[3000];
    bool matches = true;

    snprintf(message, sizeof message, "c=%s%s", value, strchr(bound_final, ','));
    assert_false(scram_server_final(&s, TEXT(message), fresh(64), &matches, &fault));
    assert_false(matches);
    assert_string_equal(fault.sqlstate, "28000");
    assert_int_equal(out.used, 0);
}

static void binding_data_of_another_connection_is_refused(void **state)
{
    static const char *const bad[] = {
        "",                                     /* nothing */
        "biws",                                 /* n,, */
        "eSws",                                 /* y,, */
        "cD10bHMtc2VydmVyLWVuZC1wb2ludCws",     /* the header alone */
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", /* the data alone */
        "cD10bHMtc2VydmVyLWVuZC1wb2ludCwsAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==",
        "cD10bHMtc2VydmVyLWVuZC1wb2ludCwsAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        "cD10bHMtc2VydmVyLWVuZC1wb2ludCwsAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g",
        "cD10bHMtc2VydmVyLWVuZC1wb2ludCwsAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8==",
        "cD10bHMtc2VydmVyLWVuZC1wb2ludCwsAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=",
        "!!!!",
    };
    char value[2100];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        binding_check_refuses(bad[i]);
    for (size_t i = 0; i < sizeof bound_c - 1; i++) {
        strcpy(value, bound_c);
        value[i] ^= 1;
        if (value[i] != ',')
            binding_check_refuses(value);
    }
    memset(value, 'A', 1900);
    value[1900] = '\0';
    binding_check_refuses(value);
}

static void only_what_was_offered_can_be_chosen(void **state)
{
    static const char *const bad[] = { "", "SCRAM-SHA-1", "scram-sha-256", "SCRAM-SHA-256-PLU",
                                       "SCRAM-SHA-256-PLUSX", "SCRAM-SHA-256 ", "PLAIN" };
    struct scram_server with = server(32, SCRAM_MECHANISM), without = server(0, SCRAM_MECHANISM);

    (void)state;
    assert_false(with.plus);
    assert_true(scram_server_choose(&with, SCRAM_MECHANISM_PLUS, &fault));
    assert_true(with.plus);
    assert_false(scram_server_choose(&without, SCRAM_MECHANISM_PLUS, &fault));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(scram_server_choose(&with, bad[i], &fault));
        assert_string_equal(fault.sqlstate, "08P01");
        assert_false(with.plus);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_client_gives_the_proof_that_is_expected),
        cmocka_unit_test(the_server_takes_that_proof_and_answers_it),
        cmocka_unit_test(both_sides_bind_with_password_and_with_keys),
        cmocka_unit_test(sides_on_different_connections_do_not_agree),
        cmocka_unit_test(a_wrong_password_does_not_match_on_the_right_connection),
        cmocka_unit_test(every_side_may_do_without_binding),
        cmocka_unit_test(first_messages_that_do_not_fit_the_mechanism_are_refused),
        cmocka_unit_test(a_zero_byte_in_the_header_is_refused),
        cmocka_unit_test(binding_data_of_another_connection_is_refused),
        cmocka_unit_test(only_what_was_offered_can_be_chosen),
    };

    return cmocka_run_group_tests(tests, data_fill, NULL);
}
