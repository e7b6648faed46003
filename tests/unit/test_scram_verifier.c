/* SPDX-License-Identifier: PostgreSQL
 * test_scram_verifier - verifiers are made, written, read and checked against passwords. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/wire/scram.h"
#include "gateway/wire/scram_parts.h"

/* Of the password "pencil", with the salt of RFC 7677. */
static const char rfc_verifier[] =
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
    ":wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

static void verifiers_survive_their_text(void **state)
{
    struct scram_verifier made, parsed;
    char text[SCRAM_VERIFIER_ROOM], again[SCRAM_VERIFIER_ROOM];

    (void)state;
    assert_true(scram_verifier_make("secret", 100, &made));
    scram_verifier_format(&made, text);
    assert_true(scram_verifier_parse(text, &parsed));
    scram_verifier_format(&parsed, again);
    assert_string_equal(text, again);
    assert_memory_equal(&made, &parsed, sizeof made);
}

static void damaged_verifiers_are_refused(void **state)
{
    static const char key[] = "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=";
    static const char *const bad[] = {
        "",
        "x",
        "SCRAM-SHA-256",
        "SCRAM-SHA-256$",
        "SCRAM-SHA-256$4096",
        "SCRAM-SHA-256$4096:",
        "SCRAM-SHA-256$4096:AAAA$",
        "SCRAM-SHA-1$4096:AAAA$%s:%s",
        "SCRAM-SHA-256$0:AAAA$%s:%s",
        "SCRAM-SHA-256$-1:AAAA$%s:%s",
        "SCRAM-SHA-256$2147483648:AAAA$%s:%s",
        "SCRAM-SHA-256$4096:$%s:%s",
        "SCRAM-SHA-256$:AAAA$%s:%s",
        "SCRAM-SHA-256$4096:AAA$%s:%s",
        "SCRAM-SHA-256$4096:AAAA$%s%s",
        "SCRAM-SHA-256$4096:AAAA$%s:",
        "SCRAM-SHA-256$4096:AAAA$:%s",
        "SCRAM-SHA-256$4096:AAAA$AAAA:%s",
        "SCRAM-SHA-256$4096:AAAA$%s:%s ",
        "SCRAM-SHA-256$4096:AAAA$%s:%sAAAA",
        "SCRAM-SHA-256$99999999999999999999:AAAA$%s:%s",
        "SCRAM-SHA-256$4096x:AAAA$%s:%s",
    };
    struct scram_verifier verifier;
    char text[300];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *from = bad[i];
        size_t used = 0;

        for (; *from != '\0'; from++) {
            if (from[0] == '%' && from[1] == 's') {
                used += (size_t)snprintf(text + used, sizeof text - used, "%s", key);
                from++;
            } else {
                text[used++] = *from;
            }
        }
        text[used] = '\0';
        assert_false(scram_verifier_parse(text, &verifier));
    }
    snprintf(text, sizeof text, "SCRAM-SHA-256$4096:AAAA$%s:%s", key, key);
    assert_true(scram_verifier_parse(text, &verifier));
    assert_int_equal(verifier.salt_bytes, 3);
}

static void a_clear_text_password_is_checked_against_a_verifier(void **state)
{
    struct scram_verifier verifier;
    unsigned char key[SCRAM_KEY_BYTES], none[SCRAM_KEY_BYTES] = { 0 }, stored[SCRAM_KEY_BYTES];
    bool matches = false;

    (void)state;
    assert_true(scram_verifier_parse(rfc_verifier, &verifier));
    assert_true(scram_verifier_check(&verifier, "pencil", key, &matches));
    assert_true(matches);
    assert_true(scram_stored_key(key, stored));
    assert_memory_equal(stored, verifier.stored_key, sizeof stored);
    assert_true(scram_verifier_check(&verifier, "Pencil", key, &matches));
    assert_false(matches);
    assert_memory_equal(key, none, sizeof key);
}

static void mock_verifiers_are_stable_and_alike(void **state)
{
    unsigned char secret[32] = { 1 }, other[32] = { 2 };
    struct scram_verifier a, b, made;

    (void)state;
    scram_verifier_mock("ann", secret, &a);
    scram_verifier_mock("ann", secret, &b);
    assert_memory_equal(&a, &b, sizeof a);
    scram_verifier_mock("bob", secret, &b);
    assert_memory_not_equal(a.salt, b.salt, 16);
    scram_verifier_mock("ann", other, &b);
    assert_memory_not_equal(a.salt, b.salt, 16);
    assert_true(scram_verifier_make("x", SCRAM_ITERATIONS_DEFAULT, &made));
    assert_int_equal(a.salt_bytes, made.salt_bytes);
    assert_int_equal(a.iterations, made.iterations);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verifiers_survive_their_text),
        cmocka_unit_test(damaged_verifiers_are_refused),
        cmocka_unit_test(a_clear_text_password_is_checked_against_a_verifier),
        cmocka_unit_test(mock_verifiers_are_stable_and_alike),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
