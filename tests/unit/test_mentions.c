/* SPDX-License-Identifier: PostgreSQL
 * test_mentions - names behind EXECUTE, PREPARE and DEALLOCATE are found as PostgreSQL would read them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/session/mentions.h"

/* All mentions of a text as one string: E, P, D or A and the name, separated by blanks. */
static const char *found(const char *text)
{
    static char all[1000];
    size_t length = strlen(text), used = 0;
    char *exact = malloc(length + 1);
    struct mentions mentions;
    struct mention mention;

    memcpy(exact, text, length);
    *all = '\0';
    mentions_begin(&mentions, exact, length, true);
    while (mentions_next(&mentions, &mention))
        used += (size_t)snprintf(all + used, sizeof all - used, "%s%c%s", used == 0 ? "" : " ",
                                 "EPDA"[mention.kind], mention.name);
    free(exact);
    return all;
}

static void names_are_found_where_the_grammar_has_them(void **state)
{
    (void)state;
    assert_string_equal(found("execute a"), "Ea");
    assert_string_equal(found("EXECUTE a(1, 'deallocate b')"), "Ea");
    assert_string_equal(found("explain (analyze) execute a"), "Ea");
    assert_string_equal(found("create table t as execute a(1) with no data"), "Ea");
    assert_string_equal(found("prepare a (int) as select 1"), "Pa");
    assert_string_equal(found("deallocate a"), "Da");
    assert_string_equal(found("deallocate prepare a"), "Da");
    assert_string_equal(found("deallocate prepare"), "Dprepare");
    assert_string_equal(found("deallocate all"), "A");
    assert_string_equal(found("Deallocate Prepare ALL;"), "A");
    assert_string_equal(found("deallocate \"all\""), "Dall");
}

static void several_statements_are_told_in_order(void **state)
{
    (void)state;
    assert_string_equal(found("execute a; deallocate a ;;prepare a as select 1; execute a"), "Ea Da Pa Ea");
    assert_string_equal(found("deallocate prepare; execute b"), "Dprepare Eb");
    assert_string_equal(found("begin; deallocate all; deallocate b; commit"), "A Db");
}

static void names_are_kept_as_postgresql_keeps_them(void **state)
{
    char text[200], wanted[80];

    (void)state;
    assert_string_equal(found("execute MiXed"), "Emixed");
    assert_string_equal(found("execute \"MiXed\""), "EMiXed");
    assert_string_equal(found("execute \"a\"\"b\""), "Ea\"b");
    assert_string_equal(found("execute /* x */ -- y\n a"), "Ea");
    assert_string_equal(found("execute U&\"\\0061\""), "E");
    memcpy(text, "execute ", 8);
    memset(text + 8, 'n', 70);
    text[78] = '\0';
    snprintf(wanted, sizeof wanted, "E%.63s", text + 8);
    assert_string_equal(found(text), wanted);
    snprintf(text, sizeof text, "execute %.62s\xc3\xa9", wanted + 1);
    snprintf(wanted, sizeof wanted, "E%.62s", text + 8);
    assert_string_equal(found(text), wanted);
}

static void other_uses_of_the_words_name_nothing(void **state)
{
    (void)state;
    assert_string_equal(found(""), "");
    assert_string_equal(found("select 'execute a', $$deallocate b$$ -- execute c"), "");
    assert_string_equal(found("select \"execute\" from t"), "");
    assert_string_equal(found("select deallocate, prepare from t"), "");
    assert_string_equal(found("prepare transaction 'x'"), "Ptransaction");
    assert_string_equal(found("execute"), "");
    assert_string_equal(found("execute; a"), "");
    assert_string_equal(found("deallocate"), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_found_where_the_grammar_has_them),
        cmocka_unit_test(several_statements_are_told_in_order),
        cmocka_unit_test(names_are_kept_as_postgresql_keeps_them),
        cmocka_unit_test(other_uses_of_the_words_name_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
