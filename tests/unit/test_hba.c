/* SPDX-License-Identifier: PostgreSQL
 * test_hba - rules of authentication: what a line means, how it is refused, and which rule decides. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/problems.h"
#include "gateway/auth/hba.h"
#include "gateway/auth/hba_ldap.h"
#include "gateway/auth/hba_source.h"
#include "gateway/base/fault.h"
#include "gateway/net/address.h"

static struct fault fault;

static struct hba *parse(const char *text)
{
    size_t length = strlen(text);
    char *exact = malloc(length + 1);
    struct hba *hba;

    memcpy(exact, text, length);
    hba = hba_parse(exact, length, "hba.conf", NULL, &fault);
    free(exact);
    return hba;
}

static void check_refused(const char *text, const char *expected)
{
    assert_null(parse(text));
    assert_string_equal(fault.sqlstate, "F0000");
    assert_string_equal(fault.message, expected);
}

/* The line that decides, 0 for none. */
static int line_for(const struct hba *hba, const char *database, const char *user, const char *address)
{
    struct hba_question question = { .database = database, .user = user, .tls = true };
    struct address parsed;
    const struct hba_rule *rule;

    if (address != NULL) {
        assert_true(address_numeric(address, 40000, &parsed));
        question.address = &parsed.any;
    }
    rule = hba_match(hba, &question);
    return rule == NULL ? 0 : rule->line;
}

static void every_method_has_its_driver(void **state)
{
    static const enum auth_type expected[] = { AUTH_TRUST, AUTH_REJECT, AUTH_SCRAM, AUTH_MD5, AUTH_PLAIN,
                                               AUTH_PEER,  AUTH_PEER,   AUTH_PAM,   AUTH_RELAY };
    struct hba *hba = parse("local all all trust\nlocal all all reject\nlocal all all scram-sha-256\n"
                            "local all all md5\nlocal all all password\nlocal all all peer\n"
                            "local all all ident\nlocal all all pam\nlocal all all relay\n");
    const struct hba_rule *rule;
    size_t i = 0;

    (void)state;
    assert_non_null(hba);
    assert_int_equal(hba_count(hba), 9);
    for (rule = hba_first(hba); rule != NULL; rule = rule->next)
        assert_int_equal(rule->method, expected[i++]);
    assert_int_equal(i, 9);
    hba_free(hba);
    hba_free(NULL);
}

static void options_become_fields(void **state)
{
    struct hba *hba = parse("hostssl all all all cert map=\"a map\" clientname=DN\n"
                            "hostssl all all all md5 clientcert=verify-ca\n"
                            "local all all pam pamservice=pg,pam_use_hostname=1\n"
                            "local all all peer map=\n");
    const struct hba_rule *rule = hba_first(hba);

    (void)state;
    assert_int_equal(rule->method, AUTH_CERT);
    assert_string_equal(rule->map, "a map");
    assert_int_equal(rule->clientcert, HBA_CLIENTCERT_FULL);
    assert_int_equal(rule->clientname, HBA_CLIENTNAME_DN);
    rule = rule->next;
    assert_int_equal(rule->clientcert, HBA_CLIENTCERT_CA);
    assert_int_equal(rule->clientname, HBA_CLIENTNAME_CN);
    assert_null(rule->map);
    assert_null(rule->ldap);
    rule = rule->next;
    assert_string_equal(rule->pamservice, "pg");
    assert_true(rule->pam_use_hostname);
    assert_string_equal(rule->file, "hba.conf");
    assert_int_equal(rule->line, 3);
    assert_null(rule->next->map);
    hba_free(hba);
}

static void ldap_options_become_a_plain_struct(void **state)
{
    struct hba *hba =
        parse("host all all all ldap ldapserver=\"a b\" ldapport=1389 ldaptls=1 ldapprefix=\"cn=\" "
              "ldapsuffix=\", o=x\"\n"
              "host all all all ldap ldapserver=a ldapscheme=ldaps ldapbasedn=\"dc=x\" ldapbinddn=cn "
              "ldapbindpasswd=\"p,w\""
              " ldapsearchfilter=\"(|(uid=$username)(mail=$username))\"\n");
    const struct hba_ldap *ldap = hba_first(hba)->ldap;

    (void)state;
    assert_string_equal(ldap->server, "a b");
    assert_int_equal(ldap->port, 1389);
    assert_string_equal(ldap->scheme, "ldap");
    assert_true(ldap->starttls);
    assert_string_equal(ldap->prefix, "cn=");
    assert_string_equal(ldap->suffix, ", o=x");
    assert_null(ldap->basedn);
    assert_int_equal(ldap->scope, HBA_LDAP_SUB);
    ldap = hba_first(hba)->next->ldap;
    assert_string_equal(ldap->scheme, "ldaps");
    assert_int_equal(ldap->port, 0);
    assert_string_equal(ldap->bindpasswd, "p,w");
    assert_string_equal(ldap->searchfilter, "(|(uid=$username)(mail=$username))");
    assert_null(ldap->searchattribute);
    hba_free(hba);
}

/* The expected ones are what PostgreSQL 15.18 shows in pg_hba_file_rules.options. */
static void ldap_urls_are_taken_apart(void **state)
{
    static const struct {
        const char *url, *server, *basedn, *attribute, *filter;
        int port;
        enum hba_ldap_scope scope;
    } rows[] = {
        { "ldap://a/dc=x?uid?sub", "a", "dc=x", "uid", NULL, 389, HBA_LDAP_SUB },
        { "ldaps://a/dc=x", "a", "dc=x", NULL, NULL, 636, HBA_LDAP_BASE },
        { "ldap://a:77/dc=x?uid,cn?one", "a", "dc=x", "uid", NULL, 77, HBA_LDAP_ONE },
        { "ldap://a/dc%3Dx%2cy??sub?(uid=%24username)", "a", "dc=x,y", NULL, "(uid=$username)", 389,
          HBA_LDAP_SUB },
        { "LDAP://a/dc=x?uid?SUB", "a", "dc=x", "uid", NULL, 389, HBA_LDAP_SUB },
        { "ldap://a b/dc=x", "a b", "dc=x", NULL, NULL, 389, HBA_LDAP_BASE },
        { "ldap:///dc=x?uid", "before", "dc=x", "uid", NULL, 389, HBA_LDAP_BASE },
        { "ldap://[::1]:77/dc=x", "[::1]", "dc=x", NULL, NULL, 77, HBA_LDAP_BASE },
    };
    char text[300];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct hba *hba;
        const struct hba_ldap *ldap;

        sprintf(text, "host all all all ldap ldapserver=before ldapport=7 ldapurl=\"%s\"", rows[i].url);
        hba = parse(text);
        assert_non_null(hba);
        ldap = hba_first(hba)->ldap;
        assert_string_equal(ldap->server, rows[i].server);
        assert_string_equal(ldap->basedn, rows[i].basedn);
        assert_int_equal(ldap->port, rows[i].port);
        assert_int_equal(ldap->scope, rows[i].scope);
        assert_true(rows[i].attribute == NULL ? ldap->searchattribute == NULL
                                              : strcmp(ldap->searchattribute, rows[i].attribute) == 0);
        assert_true(rows[i].filter == NULL ? ldap->searchfilter == NULL
                                           : strcmp(ldap->searchfilter, rows[i].filter) == 0);
        hba_free(hba);
    }
}

static void bad_ldap_urls_are_refused(void **state)
{
    static const char *const urls[] = {
        "ldap://a", "ldap://a?uid", "ldap://a:/dc=x", "ldap://a:0/dc=x", "ldap://a:65536/dc=x",
        "ldap://a:1x/dc=x",
        "ldap://[::1/dc=x", "ldap://[::1]x/dc=x", "ldap://a/dc=x%zz", "ldap://a/dc=x%2", "ldap://a/dc=x%00",
        "ldap://a%00b/dc=x", "ldap://a/dc=x??sub??bindname=x", "ldap://a/dc=x??everything", "ldapi://a/dc=x",
        "ldap:",
    };
    char text[300];

    (void)state;
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        sprintf(text, "host all all all ldap ldapurl=\"%s\"", urls[i]);
        assert_null(parse(text));
        assert_non_null(strstr(fault.message, "hba.conf line 1: ldapurl: "));
    }
}

static void errors_say_what_to_do(void **state)
{
    (void)state;
    check_refused("\nlokal all all trust", "hba.conf line 2: expected local, host, hostssl, hostnossl, "
                                           "hostgssenc or hostnogssenc, found \"lokal\"");
    check_refused("local all all", "hba.conf line 1: the line ends where a method of authentication is "
                                   "expected");
    check_refused("local all all gss", "hba.conf line 1: the method gss is not supported here; PostgreSQL "
                                       "itself can do it behind the method relay");
    check_refused("host all all 10.0.0.0/8 ident",
                  "hba.conf line 1: the method ident is supported on local lines only, where it means peer: "
                  "over a network the client's own machine would say who the client is");
    check_refused("host all all db.example.com md5",
                  "hba.conf line 1: expected an address such as 10.0.0.0/8 or fd00::/8, all, samehost or "
                  "samenet, "
                  "found \"db.example.com\"; names of hosts are not looked up, write their addresses");
    check_refused("host all all 10.0.0.0/33 md5",
                  "hba.conf line 1: expected a number from 0 to 32 behind the slash, found \"10.0.0.0/33\"");
    check_refused("local all all md5 map=x", "hba.conf line 1: the option map is for the methods peer and "
                                             "cert only");
    check_refused("local all all md5 maps=x", "hba.conf line 1: the option \"maps\" is not known");
    check_refused("local all \"/(\" trust",
                  "hba.conf line 1: the regular expression \"(\" is not valid: Unmatched ( or \\(");
    check_refused("local all \"all trust",
                  "hba.conf line 1: a double quote is never closed; close it, or write two for one that is "
                  "meant");
    check_refused("# only\n\n", "hba.conf: at least one rule is expected, found none: nobody could log in");
    check_refused("local @x all trust", "hba.conf line 1: @ includes another file, which a text from memory "
                                        "cannot do");
    check_refused("include x", "hba.conf line 1: a text from memory cannot include another file");
}

static void passwords_are_never_shown(void **state)
{
    static const char *const texts[] = {
        "host all all all ldap ldapbindpasswd=se cret", "host all all all ldap ldapbindpasswd=a,cret=1",
        "host all all all ldapbindpasswd=cret", "ldapbindpasswd=cret",
        "host all all all ldap ldapserver=a ldapprefix=x ldapbindpasswd=cret",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_null(parse(texts[i]));
        assert_null(strstr(fault.message, "cret"));
    }
}

static void all_problems_are_collected(void **state)
{
    struct problems problems;
    char text[4000] = "";

    (void)state;
    for (int i = 0; i < 120; i++)
        strcat(text, i == 50 ? "local all all trust\n" : "local all all x\n");
    assert_true(problems_init(&problems));
    assert_null(hba_parse(text, strlen(text), "hba.conf", &problems, &fault));
    assert_int_equal(problems.count, 119);
    assert_int_equal(problems.first->line, 1);
    assert_string_equal(problems.first->file, "hba.conf");
    assert_string_equal(fault.hint, "It is the first of 119 problems; `pgsluice check` shows them.");
    problems_free(&problems);
}

static enum hba_answer answer(void *context, const char *role, const char *user)
{
    (void)role;
    (void)user;
    return *(const enum hba_answer *)context;
}

static int line_with_members(const struct hba *hba, enum hba_answer what)
{
    struct hba_question question = { .database = "app", .user = "bob", .members = { answer, &what } };
    const struct hba_rule *rule = hba_match(hba, &question);

    return rule == NULL ? 0 : rule->line;
}

static void an_unknown_membership_opens_no_door_and_no_bolt(void **state)
{
    struct hba *open = parse("local all +staff trust\nlocal samerole all trust");
    struct hba *bolt = parse("local all +blocked reject\nlocal all all trust");
    struct hba *plain = parse("local all all trust");

    (void)state;
    assert_int_equal(line_with_members(open, HBA_YES), 1);
    assert_int_equal(line_with_members(open, HBA_NO), 0);
    assert_int_equal(line_with_members(open, HBA_UNKNOWN), 0);
    assert_int_equal(line_with_members(bolt, HBA_YES), 1);
    assert_int_equal(line_with_members(bolt, HBA_NO), 2);
    assert_int_equal(line_with_members(bolt, HBA_UNKNOWN), 1);
    assert_int_equal(line_for(bolt, "app", "bob", NULL), 1);
    assert_true(hba_asks_members(open) && hba_asks_members(bolt));
    assert_false(hba_asks_members(plain));
    hba_free(open);
    hba_free(bolt);
    hba_free(plain);
}

static void a_role_is_a_member_of_itself(void **state)
{
    struct hba *hba = parse("local samerole all trust\nlocal all +bob trust");

    (void)state;
    assert_int_equal(line_for(hba, "bob", "bob", NULL), 1);
    assert_int_equal(line_for(hba, "app", "bob", NULL), 2);
    assert_int_equal(line_for(hba, "app", "ann", NULL), 0);
    hba_free(hba);
}

static void a_mapped_address_counts_as_ipv4(void **state)
{
    struct hba *hba = parse("host all all ::/0 reject\nhost all all 10.0.0.0/8 trust\nhost all all all md5");

    (void)state;
    assert_int_equal(line_for(hba, "app", "bob", "::ffff:10.1.2.3"), 2);
    assert_int_equal(line_for(hba, "app", "bob", "::ffff:11.1.2.3"), 3);
    assert_int_equal(line_for(hba, "app", "bob", "::10.1.2.3"), 1);
    assert_int_equal(line_for(hba, "app", "bob", NULL), 0);
    assert_int_equal(line_for(hba, "app", "bob", "/tmp"), 0);
    hba_free(hba);
}

static void every_prefix_length_has_its_mask(void **state)
{
    char text[60], address[INET6_ADDRSTRLEN];
    unsigned char bytes[16];

    (void)state;
    for (unsigned bits = 1; bits <= 128; bits++) {
        struct hba *hba;

        memset(bytes, 0, sizeof bytes);
        sprintf(text, "host all all 8000::/%u trust", bits);
        hba = parse(text);
        bytes[0] = 0x80;
        bytes[(bits - 1) / 8] ^= (unsigned char)(0x80 >> (bits - 1) % 8);
        inet_ntop(AF_INET6, bytes, address, sizeof address);
        assert_int_equal(line_for(hba, "app", "bob", address), 0);
        if (bits < 128) {
            memset(bytes, 0, sizeof bytes);
            bytes[0] = 0x80;
            bytes[bits / 8] |= (unsigned char)(0x80 >> bits % 8);
            inet_ntop(AF_INET6, bytes, address, sizeof address);
            assert_int_equal(line_for(hba, "app", "bob", address), 1);
        }
        hba_free(hba);
    }
}

static void too_much_is_refused_with_a_sentence(void **state)
{
    static char text[HBA_FILE_MAX_BYTES + 2];
    size_t used = 0;

    (void)state;
    for (int i = 0; i <= HBA_RULES_MAX; i++)
        used += (size_t)sprintf(text + used, "local all all trust\n");
    check_refused(text, "hba.conf line 10001: there are more than 10000 rules");
    text[used - 20] = '\0';
    hba_free(parse(text));
    used = (size_t)sprintf(text, "local all ");
    memset(text + used, 'x', HBA_TOKEN_MAX_BYTES);
    strcpy(text + used + HBA_TOKEN_MAX_BYTES, " trust");
    hba_free(parse(text));
    strcpy(text + used + HBA_TOKEN_MAX_BYTES, "x trust");
    check_refused(text, "hba.conf line 1: a word is longer than 10000 bytes; is a quote missing?");
    memset(text, ' ', HBA_FILE_MAX_BYTES + 1);
    assert_null(parse(text));
    assert_string_equal(fault.message, "hba.conf: the file cannot be read: it is larger than 1048576 bytes");
    used = (size_t)sprintf(text, "local all ");
    while (used < HBA_FILE_MAX_BYTES - 100)
        used += (size_t)sprintf(text + used, "a,");
    strcpy(text + used, " trust");
    check_refused(text, "hba.conf line 1: all files together have more than 500000 words; say it with groups "
                        "(+role) or patterns");
    assert_null(hba_parse("local all all trust\n\0", 21, "hba.conf", NULL, &fault));
    assert_string_equal(fault.message, "hba.conf line 2: text is expected, found a zero byte");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_method_has_its_driver),
        cmocka_unit_test(options_become_fields),
        cmocka_unit_test(ldap_options_become_a_plain_struct),
        cmocka_unit_test(ldap_urls_are_taken_apart),
        cmocka_unit_test(bad_ldap_urls_are_refused),
        cmocka_unit_test(errors_say_what_to_do),
        cmocka_unit_test(passwords_are_never_shown),
        cmocka_unit_test(all_problems_are_collected),
        cmocka_unit_test(an_unknown_membership_opens_no_door_and_no_bolt),
        cmocka_unit_test(a_role_is_a_member_of_itself),
        cmocka_unit_test(a_mapped_address_counts_as_ipv4),
        cmocka_unit_test(every_prefix_length_has_its_mask),
        cmocka_unit_test(too_much_is_refused_with_a_sentence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
