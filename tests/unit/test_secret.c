/* SPDX-License-Identifier: PostgreSQL
 * test_secret - what fits a stored secret and what does not, whatever kind it is of. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/auth/secret.h"
#include "gateway/base/fault.h"
#include "gateway/wire/md5.h"

/* Of the password "pencil", with the salt of RFC 7677. */
#define KEYS "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
#define VERIFIER "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$" KEYS

static const unsigned char client_key_start[] = { 0xa6, 0x0f, 0xc9, 0x23, 0xd6, 0x7e, 0x86, 0x44 };
static const unsigned char salt[MD5_SALT_BYTES] = { 1, 2, 0, 255 };

static struct fault fault;
static const char *truth;

static struct secret *secret_of(const char *text)
{
    struct secret *secret = secret_new(text, &fault);

    assert_non_null(secret);
    return secret;
}

static struct secret *hash_of(const char *password, const char *user)
{
    char hash[MD5_TEXT_ROOM];

    assert_true(md5_hash(password, user, hash));
    return secret_of(hash);
}

static bool fits(const struct secret *secret, const char *password)
{
    bool fit = secret_check_password(secret, "user", password, NULL, &truth);

    assert_int_equal(fit, truth == NULL);
    return fit;
}

/* Whether a client that knows this text as its password or hash answers an MD5 request rightly. */
static bool md5_fits(const struct secret *secret, const char *password)
{
    char hash[MD5_TEXT_ROOM], response[MD5_TEXT_ROOM];
    bool fit;

    assert_true(md5_hash(password, "user", hash) && md5_answer(hash, salt, response));
    fit = secret_check_md5(secret, "user", salt, response, &truth);
    assert_int_equal(fit, truth == NULL);
    return fit;
}

static void texts_are_told_apart(void **state)
{
    static const struct {
        const char *text;
        enum secret_kind kind;
    } rows[] = {
        { "", SECRET_NONE },
        { NULL, SECRET_NONE },
        { "pencil", SECRET_PASSWORD },
        { " ", SECRET_PASSWORD },
        { "md5", SECRET_PASSWORD },
        { "md5d8578edf8458ce06fbc5bb76a58c5ca", SECRET_PASSWORD },
        { "md5d8578edf8458ce06fbc5bb76a58c5ca44", SECRET_PASSWORD },
        { "md5d8578edf8458ce06fbc5bb76a58c5cax", SECRET_PASSWORD },
        { "md5d8578edf8458ce06fbc5bb76a58c5ca4", SECRET_MD5 },
        { "md5D8578EDF8458CE06FBC5BB76A58C5CA4", SECRET_MD5 },
        { "SCRAM-SHA-256", SECRET_PASSWORD },
        { "scram-sha-256$x", SECRET_PASSWORD },
        { VERIFIER, SECRET_SCRAM },
    };

    (void)state;
    assert_int_equal(secret_kind(NULL), SECRET_NONE);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct secret *secret = secret_of(rows[i].text);

        assert_int_equal(secret_kind(secret), rows[i].kind);
        assert_int_equal(secret_password(secret) != NULL, rows[i].kind == SECRET_PASSWORD);
        assert_int_equal(secret_md5(secret) != NULL, rows[i].kind == SECRET_MD5);
        if (rows[i].kind == SECRET_MD5)
            assert_string_equal(secret_md5(secret), "md5d8578edf8458ce06fbc5bb76a58c5ca4");
        secret_release(secret);
    }
    secret_release(NULL);
}

static void what_begins_like_a_verifier_must_be_one(void **state)
{
    static const char *const bad[] = {
        "SCRAM-SHA-256$",
        "SCRAM-SHA-256$4096:AAAA",
        VERIFIER " ",
        "SCRAM-SHA-256$0:W22ZaJ0SNY7soEsUEjb6gQ==$" KEYS,
        "SCRAM-SHA-256$99999999999:W22ZaJ0SNY7soEsUEjb6gQ==$" KEYS,
    };
    char text[SECRET_MAX_BYTES + 2];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_null(secret_new(bad[i], &fault));
        assert_string_equal(fault.sqlstate, "F0000");
        assert_non_null(strstr(fault.message, "damaged"));
    }
    memset(text, 'x', sizeof text);
    text[SECRET_MAX_BYTES + 1] = '\0';
    assert_null(secret_new(text, &fault));
    assert_string_equal(fault.sqlstate, "F0000");
    text[SECRET_MAX_BYTES] = '\0';
    secret_release(secret_of(text));
}

static void a_password_fits_every_kind_of_secret_that_it_was_made_of(void **state)
{
    static const char *const wrong[] = { "Pencil", "penci", "pencil ", "pencilpencil", "", "user", "\xff" };
    struct secret *secrets[] = { secret_of("pencil"), hash_of("pencil", "user"), secret_of(VERIFIER) };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        assert_true(fits(secrets[i], "pencil"));
        for (size_t j = 0; j < sizeof wrong / sizeof *wrong; j++) {
            assert_false(fits(secrets[i], wrong[j]));
            assert_string_equal(truth, *wrong[j] == '\0' ? "an empty password" : "wrong password");
        }
        secret_release(secrets[i]);
    }
}

static void a_hash_is_good_for_its_user_alone(void **state)
{
    struct secret *secret = hash_of("pencil", "user");

    (void)state;
    assert_false(secret_check_password(secret, "User", "pencil", NULL, &truth));
    assert_false(secret_check_password(secret, "", "pencil", NULL, &truth));
    secret_release(secret);
}

static void a_stored_hash_or_verifier_is_no_password(void **state)
{
    char hash[MD5_TEXT_ROOM], upper[MD5_TEXT_ROOM];
    struct secret *secret = hash_of("pencil", "user"), *verifier = secret_of(VERIFIER);

    (void)state;
    assert_true(md5_hash("pencil", "user", hash));
    strcpy(upper, hash);
    for (char *c = upper + 3; *c != '\0'; c++)
        *c = *c >= 'a' ? (char)(*c - 'a' + 'A') : *c;
    assert_false(fits(secret, hash));
    assert_false(fits(secret, hash + 3));
    assert_false(md5_fits(secret, hash));
    assert_false(fits(verifier, VERIFIER));
    assert_false(md5_fits(verifier, VERIFIER));
    secret_release(secret);
    secret = secret_of(upper); /* PostgreSQL would take it for a password: here it never is one */
    assert_false(fits(secret, upper));
    assert_true(fits(secret, "pencil"));
    secret_release(secret);
    secret_release(verifier);
}

static void without_a_secret_nothing_fits(void **state)
{
    struct secret *none = secret_of("");
    struct scram_verifier verifier;

    (void)state;
    assert_false(fits(none, ""));
    assert_false(fits(none, "x"));
    assert_string_equal(truth, "the user has no password");
    assert_false(fits(NULL, ""));
    assert_false(fits(NULL, "x"));
    assert_string_equal(truth, "no such user");
    assert_false(md5_fits(none, ""));
    assert_false(md5_fits(NULL, ""));
    assert_string_equal(truth, "no such user");
    assert_false(secret_verifier(none, NULL, &verifier));
    assert_false(secret_verifier(NULL, NULL, &verifier));
    secret_release(none);
}

static void a_verifier_that_fits_gives_the_keys_for_the_next_login(void **state)
{
    struct secret *secret = secret_of(VERIFIER), *password = secret_of("pencil");
    struct scram_verifier verifier;
    struct secret_keys keys, none;

    (void)state;
    memset(&none, 0, sizeof none);
    assert_true(secret_verifier(secret, NULL, &verifier));
    assert_true(secret_check_password(secret, "user", "pencil", &keys, &truth));
    assert_memory_equal(keys.client_key, client_key_start, sizeof client_key_start);
    assert_memory_equal(keys.server_key, verifier.server_key, SCRAM_KEY_BYTES);
    assert_false(secret_check_password(secret, "user", "Pencil", &keys, &truth));
    assert_memory_equal(&keys, &none, sizeof keys);
    assert_true(secret_check_password(password, "user", "pencil", &keys, &truth));
    assert_memory_equal(&keys, &none, sizeof keys);
    secret_release(secret);
    secret_release(password);
}

static void costly_verifiers_are_not_computed(void **state)
{
    struct secret *secret = secret_of("SCRAM-SHA-256$2147483647:W22ZaJ0SNY7soEsUEjb6gQ==$" KEYS);

    (void)state;
    assert_false(fits(secret, "pencil"));
    assert_non_null(strstr(truth, "more iterations"));
    secret_release(secret);
}

static void md5_answers_fit_passwords_and_hashes(void **state)
{
    struct secret *secrets[] = { secret_of("pencil"), hash_of("pencil", "user") };
    struct secret *verifier = secret_of(VERIFIER);

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_true(md5_fits(secrets[i], "pencil"));
        assert_false(md5_fits(secrets[i], "Pencil"));
        assert_false(md5_fits(secrets[i], ""));
        secret_release(secrets[i]);
    }
    assert_false(md5_fits(verifier, "pencil"));
    assert_non_null(strstr(truth, "SCRAM verifier"));
    secret_release(verifier);
}

static void md5_answers_to_another_salt_or_malformed_ones_do_not_fit(void **state)
{
    static const unsigned char other[MD5_SALT_BYTES] = { 1, 2, 0, 254 };
    struct secret *secret = secret_of("pencil");
    char hash[MD5_TEXT_ROOM], response[100];

    (void)state;
    assert_true(md5_hash("pencil", "user", hash) && md5_answer(hash, salt, response));
    assert_true(secret_check_md5(secret, "user", salt, response, &truth));
    assert_false(secret_check_md5(secret, "user", other, response, &truth));
    assert_false(secret_check_md5(secret, "User", salt, response, &truth));
    assert_false(secret_check_md5(secret, "user", salt, response + 3, &truth));
    assert_false(secret_check_md5(secret, "user", salt, "pencil", &truth));
    assert_false(secret_check_md5(secret, "user", salt, hash, &truth));
    assert_false(secret_check_md5(secret, "user", salt, "", &truth));
    strcat(response, "0");
    assert_false(secret_check_md5(secret, "user", salt, response, &truth));
    secret_release(secret);
}

static void an_md5_hash_gives_no_verifier(void **state)
{
    struct secret *secret = hash_of("pencil", "user");
    struct scram_verifier verifier;

    (void)state;
    assert_false(secret_verifier(secret, NULL, &verifier));
    secret_release(secret);
}

static void the_verifier_of_a_password_is_derived_once(void **state)
{
    struct secret *secret = secret_of("pencil");
    struct scram_verifier first, second;
    unsigned char key[SCRAM_KEY_BYTES];
    bool matches;

    (void)state;
    assert_true(secret_verifier(secret, NULL, &first));
    assert_true(secret_verifier(secret, NULL, &second));
    assert_memory_equal(&first, &second, sizeof first);
    assert_int_equal(first.iterations, SCRAM_ITERATIONS_DEFAULT);
    assert_true(scram_verifier_check(&first, "pencil", key, &matches));
    assert_true(matches);
    secret_release(secret);
}

static void *use(void *argument)
{
    struct secret *secret = argument;
    struct scram_verifier verifier;
    unsigned char key[SCRAM_KEY_BYTES];
    bool matches;

    for (int i = 0; i < 5; i++) {
        if (!secret_verifier(secret, NULL, &verifier)
            || !scram_verifier_check(&verifier, "pencil", key, &matches) || !matches)
            return NULL;
    }
    secret_release(secret);
    return argument;
}

static void threads_share_a_secret(void **state)
{
    struct secret *secret = secret_of("pencil");
    pthread_t threads[4];
    void *result;

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use, secret_retain(secret)), 0);
    secret_release(secret);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], &result);
        assert_non_null(result);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_told_apart),
        cmocka_unit_test(what_begins_like_a_verifier_must_be_one),
        cmocka_unit_test(a_password_fits_every_kind_of_secret_that_it_was_made_of),
        cmocka_unit_test(a_hash_is_good_for_its_user_alone),
        cmocka_unit_test(a_stored_hash_or_verifier_is_no_password),
        cmocka_unit_test(without_a_secret_nothing_fits),
        cmocka_unit_test(a_verifier_that_fits_gives_the_keys_for_the_next_login),
        cmocka_unit_test(costly_verifiers_are_not_computed),
        cmocka_unit_test(md5_answers_fit_passwords_and_hashes),
        cmocka_unit_test(md5_answers_to_another_salt_or_malformed_ones_do_not_fit),
        cmocka_unit_test(an_md5_hash_gives_no_verifier),
        cmocka_unit_test(the_verifier_of_a_password_is_derived_once),
        cmocka_unit_test(threads_share_a_secret),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
