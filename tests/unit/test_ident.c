/* SPDX-License-Identifier: PostgreSQL
 * test_ident - maps of user names: who from outside may be whom in the database. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/auth/ident.h"
#include "gateway/base/fault.h"

static struct fault fault;

static struct ident *parse(const char *text)
{
    size_t length = strlen(text);
    char *exact = malloc(length + 1);
    struct ident *ident;

    memcpy(exact, text, length);
    ident = ident_parse(exact, length, "ident.conf", NULL, &fault);
    free(exact);
    return ident;
}

static enum hba_answer answer(void *context, const char *role, const char *user)
{
    (void)user;
    assert_string_equal(role, "staff");
    return *(const enum hba_answer *)context;
}

static bool allowed(const struct ident *ident, const char *map, const char *system_user, const char *user,
                    enum hba_answer member)
{
    struct ident_question question = { system_user, user, { answer, &member } };

    return ident_match(ident, map, &question);
}

static void without_a_map_the_names_must_be_equal(void **state)
{
    struct ident *ident = parse("");

    (void)state;
    assert_non_null(ident);
    assert_true(allowed(ident, NULL, "bob", "bob", HBA_NO));
    assert_true(allowed(NULL, NULL, "bob", "bob", HBA_NO));
    assert_false(allowed(ident, NULL, "bob", "Bob", HBA_NO));
    assert_false(allowed(ident, NULL, "bob", "bobby", HBA_NO));
    assert_false(allowed(ident, "m", "bob", "bob", HBA_NO));
    assert_false(allowed(NULL, "m", "bob", "bob", HBA_NO));
    ident_free(ident);
    ident_free(NULL);
}

/* The manual's example: two machines' users as database users, and an operating system's user as several. */
static void any_line_of_the_map_may_allow(void **state)
{
    struct ident *ident = parse("omicron bryanh bryanh\nomicron ann ann\n# bob is robert there\n"
                                "omicron robert bob\nomicron bryanh guest1\n");

    (void)state;
    assert_true(allowed(ident, "omicron", "bryanh", "bryanh", HBA_NO));
    assert_true(allowed(ident, "omicron", "bryanh", "guest1", HBA_NO));
    assert_true(allowed(ident, "omicron", "robert", "bob", HBA_NO));
    assert_false(allowed(ident, "omicron", "robert", "robert", HBA_NO));
    assert_false(allowed(ident, "omicron", "ann", "guest1", HBA_NO));
    ident_free(ident);
}

static void the_first_group_is_inserted_as_a_name(void **state)
{
    struct ident *ident = parse("m /^(.*)@mydomain\\.com$ \\1\nm /^(.*)@otherdomain\\.com$ guest\n");

    (void)state;
    assert_true(allowed(ident, "m", "joe@mydomain.com", "joe", HBA_NO));
    assert_false(allowed(ident, "m", "joe@mydomain.com", "joe@mydomain.com", HBA_NO));
    assert_true(allowed(ident, "m", "joe@otherdomain.com", "guest", HBA_NO));
    assert_false(allowed(ident, "m", "all@mydomain.com", "bob", HBA_NO));
    assert_false(allowed(ident, "m", "+staff@mydomain.com", "bob", HBA_YES));
    assert_true(allowed(ident, "m", "@mydomain.com", "", HBA_NO));
    assert_false(allowed(ident, "m", "@mydomain.com", "joe", HBA_NO));
    ident_free(ident);
    ident = parse("pre \"/^cn=([a-z]+),\" app_\\1_ro\n");
    assert_true(allowed(ident, "pre", "cn=bob,o=x", "app_bob_ro", HBA_NO));
    assert_false(allowed(ident, "pre", "cn=bob,o=x", "app_bob_r", HBA_NO));
    assert_false(allowed(ident, "pre", "cn=bob,o=x", "app_bo_ro", HBA_NO));
    assert_false(allowed(ident, "pre", "cn=bob,o=x", "app_", HBA_NO));
    ident_free(ident);
}

static void the_databases_user_may_be_all_a_role_or_an_expression(void **state)
{
    struct ident *ident = parse("a root all\nb root \"all\"\nc root +staff\nd root \"+staff\"\ne root "
                                "/^app_\n");

    (void)state;
    assert_true(allowed(ident, "a", "root", "anybody", HBA_NO));
    assert_false(allowed(ident, "b", "root", "anybody", HBA_NO));
    assert_true(allowed(ident, "b", "root", "all", HBA_NO));
    assert_true(allowed(ident, "c", "root", "bob", HBA_YES));
    assert_false(allowed(ident, "c", "root", "bob", HBA_NO));
    assert_false(allowed(ident, "c", "root", "bob", HBA_UNKNOWN));
    assert_true(allowed(ident, "d", "root", "+staff", HBA_NO));
    assert_false(allowed(ident, "d", "root", "bob", HBA_YES));
    assert_true(allowed(ident, "e", "root", "app_x", HBA_NO));
    assert_false(allowed(ident, "e", "root", "x_app_", HBA_NO));
    assert_true(ident_asks_members(ident));
    ident_free(ident);
    ident = parse("a root all\n");
    assert_false(ident_asks_members(ident));
    ident_free(ident);
}

static void check_refused(const char *text, const char *expected)
{
    assert_null(parse(text));
    assert_string_equal(fault.sqlstate, "F0000");
    assert_string_equal(fault.message, expected);
}

static void errors_name_the_line(void **state)
{
    (void)state;
    check_refused("m root", "ident.conf line 1: expected a map, a system's user and a database's user");
    check_refused("\nm root,bob ann", "ident.conf line 2: one name is expected in each column, found a list");
    check_refused("m /a \\1", "ident.conf line 1: \\1 stands for the first group of the regular expression, "
                              "which has none; put one in parentheses");
    check_refused("m /[ bob", "ident.conf line 1: the regular expression \"[\" is not usable: a bracket is "
                              "never closed");
    check_refused("m root /*", "ident.conf line 1: the regular expression \"*\" is not usable: a repeat (* + "
                               "? {}) stands where there is nothing to repeat, or it is not a greedy one");
}

static void too_much_is_refused(void **state)
{
    static char text[IDENT_LINES_MAX * 8 + 20], name[IDENT_NAME_MAX_BYTES + 2];
    struct ident *ident;
    size_t used = 0;

    (void)state;
    for (int i = 0; i <= IDENT_LINES_MAX; i++)
        used += (size_t)sprintf(text + used, "m a b\n");
    check_refused(text, "ident.conf line 10001: there are more than 10000 lines");
    text[used - 6] = '\0';
    ident = parse(text);
    assert_non_null(ident);
    memset(name, 'a', IDENT_NAME_MAX_BYTES + 1);
    assert_false(allowed(ident, NULL, name, name, HBA_NO));
    assert_true(allowed(ident, NULL, name + 1, name + 1, HBA_NO));
    ident_free(ident);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_map_the_names_must_be_equal),
        cmocka_unit_test(any_line_of_the_map_may_allow),
        cmocka_unit_test(the_first_group_is_inserted_as_a_name),
        cmocka_unit_test(the_databases_user_may_be_all_a_role_or_an_expression),
        cmocka_unit_test(errors_name_the_line),
        cmocka_unit_test(too_much_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
