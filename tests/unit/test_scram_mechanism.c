/* SPDX-License-Identifier: PostgreSQL
 * test_scram_mechanism - lists of mechanisms and first answers, whole and broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/wire/scram.h"

#define BODY(text) (text), sizeof(text) - 1

static void what_is_offered_is_found_again(void **state)
{
    size_t bytes;
    const char *list = scram_mechanisms(false, &bytes);

    (void)state;
    assert_memory_equal(list, "SCRAM-SHA-256\0\0", 15);
    assert_int_equal(bytes, 15);
    assert_true(scram_offered(list, bytes, SCRAM_MECHANISM));
    assert_false(scram_offered(list, bytes, SCRAM_MECHANISM_PLUS));
    list = scram_mechanisms(true, &bytes);
    assert_memory_equal(list, "SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0", 34);
    assert_int_equal(bytes, 34);
    assert_true(scram_offered(list, bytes, SCRAM_MECHANISM));
    assert_true(scram_offered(list, bytes, SCRAM_MECHANISM_PLUS));
}

static void lists_that_are_cut_are_read_as_far_as_they_go(void **state)
{
    size_t bytes;
    const char *list = scram_mechanisms(true, &bytes);

    (void)state;
    for (size_t cut = 0; cut <= bytes; cut++) {
        char *exact = malloc(cut + 1);

        memcpy(exact, list, cut);
        assert_int_equal(scram_offered(exact, cut, SCRAM_MECHANISM_PLUS), cut >= 19);
        assert_int_equal(scram_offered(exact, cut, SCRAM_MECHANISM), cut >= 33);
        free(exact);
    }
    assert_false(scram_offered(BODY("\0SCRAM-SHA-256\0\0"), SCRAM_MECHANISM));
    assert_false(scram_offered(BODY("OAUTHBEARER\0\0SCRAM-SHA-256\0\0"), SCRAM_MECHANISM));
    assert_true(scram_offered(BODY("OAUTHBEARER\0SCRAM-SHA-256\0\0"), SCRAM_MECHANISM));
    assert_false(scram_offered(BODY("SCRAM-SHA-256x\0xSCRAM-SHA-256\0\0"), SCRAM_MECHANISM));
}

/* What the client chooses among these offers, "" for nothing, and whether that is PLUS. */
static const char *chosen(const char *list, size_t bytes, size_t binding_bytes)
{
    struct scram_client c;
    const char *mechanism;

    memset(&c, 0, sizeof c);
    scram_binding_set(&c.binding, "12345678901234567890123456789012", binding_bytes);
    mechanism = scram_client_choose(&c, list, bytes);
    assert_int_equal(c.plus, mechanism != NULL && strcmp(mechanism, "SCRAM-SHA-256-PLUS") == 0);
    return mechanism == NULL ? "" : mechanism;
}

static void the_client_binds_where_it_can(void **state)
{
    (void)state;
    assert_string_equal(chosen(BODY("SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"), 32), "SCRAM-SHA-256-PLUS");
    assert_string_equal(chosen(BODY("SCRAM-SHA-256\0SCRAM-SHA-256-PLUS\0\0"), 32), "SCRAM-SHA-256-PLUS");
    assert_string_equal(chosen(BODY("SCRAM-SHA-256-PLUS\0\0"), 32), "SCRAM-SHA-256-PLUS");
    assert_string_equal(chosen(BODY("SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"), 0), "SCRAM-SHA-256");
    assert_string_equal(chosen(BODY("SCRAM-SHA-256\0\0"), 32), "SCRAM-SHA-256");
    assert_string_equal(chosen(BODY("SCRAM-SHA-256-PLUS\0\0"), 0), "");
    assert_string_equal(chosen(BODY("OAUTHBEARER\0\0"), 32), "");
    assert_string_equal(chosen(BODY("\0"), 32), "");
    assert_string_equal(chosen("", 0, 32), "");
}

static void the_first_answer_is_taken_apart(void **state)
{
    static const char body[] = "SCRAM-SHA-256-PLUS\0\0\0\0\x20p=tls-server-end-point,,n=,r=abc";
    struct scram_initial initial;

    (void)state;
    assert_int_equal(sizeof body - 1, 19 + 4 + 32);
    assert_true(scram_initial_read(BODY(body), &initial));
    assert_string_equal(initial.mechanism, "SCRAM-SHA-256-PLUS");
    assert_int_equal(initial.bytes, 32);
    assert_memory_equal(initial.message, "p=tls-server-end-point,,n=,r=abc", 32);
    assert_int_equal(initial.flag, 'p');
    for (size_t cut = 0; cut < sizeof body - 1; cut++) {
        char *exact = malloc(cut + 1);

        memcpy(exact, body, cut);
        assert_false(scram_initial_read(exact, cut, &initial));
        free(exact);
    }
    assert_false(scram_initial_read(body, sizeof body, &initial)); /* one byte more than announced */
}

static char flag_of(const char *body, size_t bytes)
{
    struct scram_initial initial;

    assert_true(scram_initial_read(body, bytes, &initial));
    return initial.flag;
}

static void flags_are_told_apart(void **state)
{
    struct scram_initial initial;

    (void)state;
    assert_int_equal(flag_of(BODY("S\0\0\0\0\x0bn,,n=,r=abc")), 'n');
    assert_int_equal(flag_of(BODY("S\0\0\0\0\x0by,,n=,r=abc")), 'y');
    assert_int_equal(flag_of(BODY("S\0\0\0\0\x02p=")), 'p');
    assert_int_equal(flag_of(BODY("S\0\0\0\0\x02p,")), 0);
    assert_int_equal(flag_of(BODY("S\0\0\0\0\x02y=")), 0);
    assert_int_equal(flag_of(BODY("S\0\0\0\0\x02x,")), 0);
    assert_int_equal(flag_of(BODY("S\0\0\0\0\x01n")), 0);
    assert_int_equal(flag_of(BODY("S\0\0\0\0\0")), 0);
    assert_int_equal(flag_of(BODY("\0\0\0\0\0")), 0);
    assert_false(scram_initial_read(BODY("S\0\xff\xff\xff\xff"), &initial)); /* -1: no message yet */
    assert_false(scram_initial_read(BODY("S\0\xff\xff\xff\xfen,"), &initial));
    assert_false(scram_initial_read(BODY("S\0\x7f\xff\xff\xffn,"), &initial));
    assert_false(scram_initial_read(BODY("no end"), &initial));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_offered_is_found_again),
        cmocka_unit_test(lists_that_are_cut_are_read_as_far_as_they_go),
        cmocka_unit_test(the_client_binds_where_it_can),
        cmocka_unit_test(the_first_answer_is_taken_apart),
        cmocka_unit_test(flags_are_told_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
