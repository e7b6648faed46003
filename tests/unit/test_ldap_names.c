/* SPDX-License-Identifier: PostgreSQL
 * test_ldap_names - whatever a user is called, it stays one value in the name of an entry or in a filter. */
#include <ldap.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/auth/hba_ldap.h"
#include "gateway/auth/ldap.h"
#include "gateway/auth/ldap_names.h"
#include "gateway/base/fault.h"

static struct fault fault;
static char text[LDAP_NAME_BYTES > LDAP_FILTER_BYTES ? LDAP_NAME_BYTES : LDAP_FILTER_BYTES];

static const struct hba_ldap entry = { .prefix = "cn=", .suffix = ",dc=example,dc=net" };

static void check_entry(const char *user, const char *expected)
{
    assert_true(ldap_name_make(&entry, user, text, &fault));
    assert_string_equal(text, expected);
}

static void users_are_put_between_prefix_and_suffix(void **state)
{
    const struct hba_ldap mail = { .suffix = "@example.net" }, domain = { .prefix = "EXAMPLE\\" };

    (void)state;
    check_entry("bob", "cn=bob,dc=example,dc=net");
    assert_true(ldap_name_make(&mail, "bob", text, &fault));
    assert_string_equal(text, "bob@example.net");
    assert_true(ldap_name_make(&domain, "bob", text, &fault));
    assert_string_equal(text, "EXAMPLE\\bob");
}

static void in_a_distinguished_name_special_characters_are_escaped(void **state)
{
    (void)state;
    check_entry("a,b", "cn=a\\,b,dc=example,dc=net");
    check_entry("bob,ou=hidden", "cn=bob\\,ou\\=hidden,dc=example,dc=net");
    check_entry("#\"+;<>\\", "cn=\\#\\\"\\+\\;\\<\\>\\\\,dc=example,dc=net");
    check_entry(" a b ", "cn=\\ a b\\ ,dc=example,dc=net");
    check_entry(" ", "cn=\\ ,dc=example,dc=net");
    check_entry("a\nb\x7f", "cn=a\\0Ab\\7F,dc=example,dc=net");
    check_entry("zoë*()/", "cn=zoë*()/,dc=example,dc=net");
}

/* Makes names from bytes that matter, and lets the library take them apart again. */
static void the_library_reads_escaped_names_as_one_value(void **state)
{
    const char bytes[] = "ab =,+\"\\<>;#*()/&|\n\x01\x7f";
    unsigned seed = 1;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        char user[9] = "";
        int length = 1 + rand_r(&seed) % 8;
        LDAPDN parts = NULL;

        for (int i = 0; i < length; i++)
            user[i] = bytes[(size_t)rand_r(&seed) % (sizeof bytes - 1)];
        assert_true(ldap_name_make(&entry, user, text, &fault));
        assert_int_equal(ldap_str2dn(text, &parts, LDAP_DN_FORMAT_LDAPV3), LDAP_SUCCESS);
        assert_non_null(parts[0]);
        assert_true(parts[1] != NULL && parts[2] != NULL && parts[3] == NULL);
        assert_null(parts[0][1]);
        assert_int_equal(parts[0][0]->la_value.bv_len, length);
        assert_memory_equal(parts[0][0]->la_value.bv_val, user, (size_t)length);
        ldap_dnfree(parts);
    }
}

static void in_other_names_special_characters_are_refused(void **state)
{
    const struct hba_ldap mail = { .suffix = "@example.net" };

    (void)state;
    assert_false(ldap_name_make(&mail, "cn=admin,dc=example", text, &fault));
    assert_string_equal(fault.sqlstate, "28P01");
    assert_false(ldap_name_make(&mail, "a\\b", text, &fault));
}

static void a_name_needs_to_say_where_users_are(void **state)
{
    const struct hba_ldap nothing = { 0 }, empty = { .prefix = "", .suffix = "" };

    (void)state;
    assert_false(ldap_name_make(&nothing, "cn=bob", text, &fault));
    assert_string_equal(fault.sqlstate, "F0000");
    assert_false(ldap_name_make(&empty, "bob", text, &fault));
}

static void check_filter(const struct hba_ldap *options, const char *user, const char *expected)
{
    assert_true(ldap_filter_make(options, user, text, &fault));
    assert_string_equal(text, expected);
}

static void filters_name_the_user(void **state)
{
    const struct hba_ldap usual = { 0 }, mail = { .searchattribute = "mail" }, empty = { .searchfilter = "" };
    const struct hba_ldap both = { .searchfilter = "(|(uid=$username)(mail=$username))",
                                   .searchattribute = "x" };

    (void)state;
    check_filter(&usual, "bob", "(uid=bob)");
    check_filter(&empty, "bob", "(uid=bob)");
    check_filter(&mail, "$username", "(mail=$username)");
    check_filter(&both, "bob", "(|(uid=bob)(mail=bob))");
    check_filter(&both, "$username", "(|(uid=$username)(mail=$username))");
}

static void users_that_could_change_a_filter_are_refused(void **state)
{
    const struct hba_ldap usual = { 0 };
    const char *names[] = { "*", "a)(uid=*", "a(", "a\\2a", "a/b" };

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_false(ldap_filter_make(&usual, names[i], text, &fault));
        assert_string_equal(fault.sqlstate, "28P01");
    }
}

static void a_filter_that_is_the_same_for_all_users_is_refused(void **state)
{
    const struct hba_ldap same = { .searchfilter = "(uid=admin)" };

    (void)state;
    assert_false(ldap_filter_make(&same, "bob", text, &fault));
    assert_string_equal(fault.sqlstate, "F0000");
}

static void what_does_not_fit_is_refused(void **state)
{
    char user[LDAP_NAME_BYTES] = "", filter[LDAP_FILTER_BYTES + 1] = "";
    struct hba_ldap exact = { .prefix = "=" }, search = { .searchfilter = filter };

    (void)state;
    memset(user, 'x', LDAP_NAME_BYTES - 2);
    assert_true(ldap_name_make(&exact, user, text, &fault));
    assert_int_equal(strlen(text), LDAP_NAME_BYTES - 1);
    user[LDAP_NAME_BYTES - 2] = 'x';
    assert_false(ldap_name_make(&exact, user, text, &fault));
    assert_string_equal(fault.sqlstate, "54000");
    user[0] = ',';
    user[LDAP_NAME_BYTES - 2] = '\0';
    assert_false(ldap_name_make(&exact, user, text, &fault));
    assert_false(ldap_filter_make(&search, user, text, &fault));
    strcpy(filter, "$username");
    memset(filter + 9, 'x', LDAP_FILTER_BYTES - 9);
    assert_true(ldap_filter_make(&search, "12345678", text, &fault));
    assert_int_equal(strlen(text), LDAP_FILTER_BYTES - 1);
    assert_false(ldap_filter_make(&search, "123456789", text, &fault));
    assert_string_equal(fault.sqlstate, "54000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(users_are_put_between_prefix_and_suffix),
        cmocka_unit_test(in_a_distinguished_name_special_characters_are_escaped),
        cmocka_unit_test(the_library_reads_escaped_names_as_one_value),
        cmocka_unit_test(in_other_names_special_characters_are_refused),
        cmocka_unit_test(a_name_needs_to_say_where_users_are),
        cmocka_unit_test(filters_name_the_user),
        cmocka_unit_test(users_that_could_change_a_filter_are_refused),
        cmocka_unit_test(a_filter_that_is_the_same_for_all_users_is_refused),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
