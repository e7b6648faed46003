/* SPDX-License-Identifier: PostgreSQL
 * test_answer - how a pool answers what PostgreSQL asks, with what it knows; and servers that cheat. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/wire/fields.h"
#include "gateway/wire/write.h"
#include "router/answer.h"
#include "router/pool.h"

/* The user alice with the password "secret"; computed independently. */
static const char hash[] = "md54a0a68b43b6cd5cf266fa02f196e2371";
static const char salted[] = "md55e46c885144a0f5e373227112878870b";
static const unsigned char salt[] = { 1, 2, 0, 255 }, certificate[] = "0123456789abcdef0123456789abcdef";

static struct pool pool;
static struct answer answer;
static struct scram_server server;
static struct fault fault;
static unsigned char room[SCRAM_REPLY_BYTES];
static struct builder reply;
static bool done;

static int pool_make(void **state)
{
    static char user[] = "alice";

    (void)state;
    memset(&pool, 0, sizeof pool);
    pthread_mutex_init(&pool.lock, NULL);
    pool.user = user;
    memset(&server, 0, sizeof server);
    assert_true(scram_verifier_make("secret", 10, &server.verifier));
    done = false;
    return 0;
}

static int pool_unmake(void **state)
{
    (void)state;
    free(pool.credentials.password);
    pthread_mutex_destroy(&pool.lock);
    return 0;
}

static void begin(size_t binding_bytes)
{
    answer_init(&answer, &pool, certificate, binding_bytes);
}

/* One AuthenticationXXX message; the reply is left in `reply`. */
static bool ask(uint32_t code, const void *body, size_t bytes)
{
    unsigned char message[SCRAM_MESSAGE_MAX_BYTES + 100];
    struct builder builder;

    builder_init(&builder, message, sizeof message);
    builder_u32(&builder, code);
    builder_bytes(&builder, body, bytes);
    assert_true(builder_ok(&builder));
    builder_init(&reply, room, sizeof room);
    return answer_next(&answer, message, builder.used, &reply, &done, &fault);
}

/* The body of the reply, which is one whole 'p' message. */
static struct reader reply_body(void)
{
    struct reader reader;

    assert_true(builder_ok(&reply) && reply.used > 5);
    reader_init(&reader, reply.bytes, reply.used);
    assert_int_equal(reader_u8(&reader), 'p');
    assert_int_equal(reader_u32(&reader), reply.used - 1);
    return reader;
}

static const char *reply_password(void)
{
    struct reader reader = reply_body();
    const char *password = reader_string(&reader);

    assert_int_equal(reader_left(&reader), 0);
    return password;
}

/* The exchange up to the client's proof; which flag the client used. */
static char sasl_until_proof(bool plus)
{
    char text[SCRAM_MESSAGE_MAX_BYTES];
    struct scram_initial initial;
    struct builder builder;
    struct reader body;
    const char *list;
    size_t bytes;
    char flag;

    if (plus)
        scram_binding_set(&server.binding, certificate, 32);
    list = scram_mechanisms(plus, &bytes);
    assert_true(ask(ASK_SASL, list, bytes));
    body = reply_body();
    assert_true(scram_initial_read(body.at, reader_left(&body), &initial));
    assert_true(scram_server_choose(&server, initial.mechanism, &fault));
    flag = initial.flag;
    builder_init(&builder, text, sizeof text);
    assert_true(scram_server_first(&server, initial.message, initial.bytes, &builder, &fault));
    assert_true(ask(ASK_SASL_CONTINUE, builder.bytes, builder.used));
    return flag;
}

/* The whole exchange; false when the server does not take the proof. */
static bool sasl_whole(bool plus, char expected_flag)
{
    char text[SCRAM_MESSAGE_MAX_BYTES];
    struct builder builder;
    struct reader body;
    bool matches;

    assert_int_equal(sasl_until_proof(plus), expected_flag);
    body = reply_body();
    builder_init(&builder, text, sizeof text);
    if (!scram_server_final(&server, body.at, reader_left(&body), &builder, &matches, &fault) || !matches)
        return false;
    assert_true(ask(ASK_SASL_FINAL, builder.bytes, builder.used));
    assert_true(ask(ASK_OK, NULL, 0));
    assert_int_equal(reply.used, 0);
    return done;
}

static void a_password_answers_everything(void **state)
{
    (void)state;
    pool_set_credentials(&pool, "secret", NULL, NULL);
    begin(0);
    assert_true(ask(ASK_CLEARTEXT, NULL, 0));
    assert_string_equal(reply_password(), "secret");
    assert_true(ask(ASK_OK, NULL, 0) && done);
    begin(0);
    assert_true(ask(ASK_MD5, salt, 4));
    assert_string_equal(reply_password(), salted);
    begin(0);
    assert_true(sasl_whole(false, 'n'));
    answer_wipe(&answer);
}

static void a_hash_answers_md5_alone(void **state)
{
    (void)state;
    pool_set_md5(&pool, hash);
    begin(0);
    assert_true(ask(ASK_MD5, salt, 4));
    assert_string_equal(reply_password(), salted);
    begin(0);
    assert_false(ask(ASK_CLEARTEXT, NULL, 0));
    assert_string_equal(fault.sqlstate, "28000");
    assert_non_null(strstr(fault.message, "only an MD5 hash"));
    begin(0);
    assert_false(ask(ASK_SASL, "SCRAM-SHA-256\0", 15));
    assert_string_equal(fault.sqlstate, "28000");
    assert_int_equal(reply.used, 0);
}

static void keys_answer_scram_alone(void **state)
{
    unsigned char client_key[SCRAM_KEY_BYTES];
    bool matches;

    (void)state;
    assert_true(scram_verifier_check(&server.verifier, "secret", client_key, &matches) && matches);
    pool_set_credentials(&pool, NULL, client_key, server.verifier.server_key);
    begin(32);
    assert_true(sasl_whole(true, 'p'));
    begin(0);
    assert_false(ask(ASK_MD5, salt, 4));
    assert_string_equal(fault.sqlstate, "28000");
    assert_non_null(strstr(fault.message, "only the keys"));
    begin(0);
    assert_false(ask(ASK_CLEARTEXT, NULL, 0));
}

static void without_credentials_every_question_is_a_fault(void **state)
{
    (void)state;
    begin(0);
    assert_false(ask(ASK_SASL, "SCRAM-SHA-256\0", 15));
    assert_string_equal(fault.sqlstate, "28000");
    begin(0);
    assert_false(ask(ASK_MD5, salt, 4));
    begin(0);
    assert_false(ask(ASK_CLEARTEXT, NULL, 0));
    assert_string_equal(fault.sqlstate, "28000");
    begin(0);
    assert_true(ask(ASK_OK, NULL, 0) && done);
}

static void a_login_is_bound_when_both_sides_can(void **state)
{
    (void)state;
    pool_set_credentials(&pool, "secret", NULL, NULL);
    begin(32);
    assert_true(sasl_whole(true, 'p'));
    begin(32);
    memset(&server, 0, sizeof server);
    assert_true(scram_verifier_make("secret", 10, &server.verifier));
    assert_true(sasl_whole(false, 'y'));
    begin(0);
    memset(&server, 0, sizeof server);
    assert_true(scram_verifier_make("secret", 10, &server.verifier));
    assert_true(sasl_whole(true, 'n'));
}

static void a_bound_login_fails_through_somebody_in_between(void **state)
{
    (void)state;
    pool_set_credentials(&pool, "secret", NULL, NULL);
    answer_init(&answer, &pool, "the certificate of somebody else", 32);
    assert_false(sasl_whole(true, 'p'));
    assert_string_equal(fault.sqlstate, "28000");
}

static void what_is_newer_than_the_password_goes_first(void **state)
{
    unsigned char client_key[SCRAM_KEY_BYTES];
    bool matches;

    (void)state;
    pool_set_credentials(&pool, "old", NULL, NULL);
    assert_true(scram_verifier_check(&server.verifier, "secret", client_key, &matches) && matches);
    pool_set_credentials(&pool, NULL, client_key, server.verifier.server_key);
    pool_set_md5(&pool, hash);
    begin(0);
    assert_true(sasl_whole(false, 'n'));
    begin(0);
    assert_true(ask(ASK_MD5, salt, 4));
    assert_string_equal(reply_password(), salted);
    begin(0);
    assert_true(ask(ASK_CLEARTEXT, NULL, 0));
    assert_string_equal(reply_password(), "old");
    pool_set_credentials(&pool, "new", NULL, NULL);
    assert_false(pool.credentials.keys);
    assert_int_equal(pool.credentials.md5[0], '\0');
}

static void the_longest_password_is_sent_whole(void **state)
{
    char password[PASSWORD_MAX_BYTES + 2];

    (void)state;
    memset(password, 'x', sizeof password);
    password[PASSWORD_MAX_BYTES] = '\0';
    pool_set_credentials(&pool, password, NULL, NULL);
    begin(0);
    assert_true(ask(ASK_CLEARTEXT, NULL, 0));
    assert_string_equal(reply_password(), password);
    password[PASSWORD_MAX_BYTES] = 'x';
    password[PASSWORD_MAX_BYTES + 1] = '\0';
    pool_set_credentials(&pool, password, NULL, NULL);
    begin(0);
    assert_false(ask(ASK_CLEARTEXT, NULL, 0));
}

static void questions_out_of_turn_are_refused(void **state)
{
    static const uint32_t codes[] = { ASK_SASL_CONTINUE, ASK_SASL_FINAL };

    (void)state;
    pool_set_credentials(&pool, "secret", NULL, NULL);
    for (size_t i = 0; i < 2; i++) {
        begin(0);
        assert_false(ask(codes[i], "r=x,s=AAAA,i=1", 14));
        assert_string_equal(fault.sqlstate, "08P01");
        begin(0);
        assert_true(ask(ASK_CLEARTEXT, NULL, 0));
        assert_false(ask(codes[i], "r=x,s=AAAA,i=1", 14));
    }
    begin(0);
    assert_true(ask(ASK_MD5, salt, 4));
    assert_false(ask(ASK_MD5, salt, 4)); /* one hash of the password is enough */
    assert_false(ask(ASK_CLEARTEXT, NULL, 0));
    begin(0);
    (void)sasl_until_proof(false);
    assert_false(ask(ASK_CLEARTEXT, NULL, 0));
    assert_false(ask(ASK_SASL, "SCRAM-SHA-256\0", 15));
    assert_false(done);
}

static void a_server_that_does_not_prove_itself_is_not_believed(void **state)
{
    (void)state;
    pool_set_credentials(&pool, "secret", NULL, NULL);
    begin(0);
    assert_true(ask(ASK_SASL, "SCRAM-SHA-256\0", 15));
    assert_false(ask(ASK_OK, NULL, 0));
    begin(0);
    (void)sasl_until_proof(false);
    assert_false(ask(ASK_OK, NULL, 0));
    assert_false(ask(ASK_SASL_FINAL, "v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", 46));
    assert_string_equal(fault.sqlstate, "28P01");
    assert_false(done);
}

static void malformed_questions_are_refused(void **state)
{
    static const struct {
        uint32_t code;
        const char *body;
        size_t bytes;
    } bad[] = {
        { ASK_MD5, "", 0 },
        { ASK_MD5, "abc", 3 },
        { ASK_SASL, "", 0 },
        { ASK_SASL, "\0", 1 },
        { ASK_SASL, "SCRAM-SHA-256", 13 },
        { ASK_SASL, "SCRAM-SHA-256-PLUS\0", 20 },
        { ASK_SASL, "SCRAM-SHA-1\0", 13 },
        { 7, "", 0 },
        { UINT32_MAX, "", 0 },
    };

    (void)state;
    pool_set_credentials(&pool, "secret", NULL, NULL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        begin(0);
        assert_false(ask(bad[i].code, bad[i].body, bad[i].bytes));
        assert_int_equal(reply.used, 0);
        assert_false(done);
    }
    begin(0);
    builder_init(&reply, room, sizeof room);
    assert_false(answer_next(&answer, "\0\0", 2, &reply, &done, &fault)); /* no code: not AuthenticationOk */
    assert_false(done);
}

#define test(function) cmocka_unit_test_setup_teardown(function, pool_make, pool_unmake)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(a_password_answers_everything),
        test(a_hash_answers_md5_alone),
        test(keys_answer_scram_alone),
        test(without_credentials_every_question_is_a_fault),
        test(a_login_is_bound_when_both_sides_can),
        test(a_bound_login_fails_through_somebody_in_between),
        test(what_is_newer_than_the_password_goes_first),
        test(the_longest_password_is_sent_whole),
        test(questions_out_of_turn_are_refused),
        test(a_server_that_does_not_prove_itself_is_not_believed),
        test(malformed_questions_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
