/* SPDX-License-Identifier: PostgreSQL
 * test_users - the users file is loaded whole or not at all, and says on which line it is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/auth/secret.h"
#include "gateway/auth/users.h"
#include "gateway/base/fault.h"

#define VERIFIER \
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=" \
    ":wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

static struct fault fault;

static struct users *parse(const char *text)
{
    size_t length = strlen(text);
    char *exact = malloc(length + 1);
    struct users *users;

    memcpy(exact, text, length);
    users = users_parse(exact, length, "users.txt", &fault);
    free(exact);
    return users;
}

static const char *password_of(const struct users *users, const char *name)
{
    return secret_password(users_find(users, name)->secret);
}

static void passwords_verifiers_and_comments_are_read(void **state)
{
    struct users *users =
        parse("; a comment\n# another\n\n  \"bob\"\t\"secret\"  \r\n\"ann\" \"" VERIFIER "\"\n"
              "\"a \"\"b\"\" ;#\" \"p\"\"w\\\"\n\"none\" \"\"");
    struct scram_verifier verifier;

    (void)state;
    assert_non_null(users);
    assert_int_equal(users_count(users), 4);
    assert_string_equal(password_of(users, "bob"), "secret");
    assert_int_equal(secret_kind(users_find(users, "ann")->secret), SECRET_SCRAM);
    assert_string_equal(password_of(users, "a \"b\" ;#"), "p\"w\\");
    assert_int_equal(secret_kind(users_find(users, "none")->secret), SECRET_NONE);
    assert_false(secret_verifier(users_find(users, "none")->secret, NULL, &verifier));
    assert_true(secret_verifier(users_find(users, "ann")->secret, NULL, &verifier));
    assert_int_equal(verifier.salt_bytes, 16);
    assert_null(users_find(users, "Bob"));
    assert_null(users_find(users, ""));
    users_free(users);
}

static void an_empty_file_has_no_users(void **state)
{
    struct users *users = parse("");

    (void)state;
    assert_int_equal(users_count(users), 0);
    assert_null(users_find(users, "bob"));
    users_free(users);
    users_free(NULL);
}

static void all_of_many_users_are_found(void **state)
{
    static char text[1 << 20];
    size_t used = 0;
    char name[20];
    struct users *users;

    (void)state;
    for (int i = 0; i < 10000; i++)
        used += (size_t)sprintf(text + used, "\"user%d\" \"password%d\"\n", i * 7919 % 10000, i);
    users = parse(text);
    assert_int_equal(users_count(users), 10000);
    for (int i = 0; i < 10000; i++) {
        sprintf(name, "user%d", i);
        assert_string_equal(users_find(users, name)->name, name);
    }
    users_free(users);
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
    check_refused("\n\nbob secret", "users.txt line 3: a name in double quotes was expected");
    check_refused("\"bob\"", "users.txt line 1: a secret in double quotes was expected");
    check_refused("\"bob\" secret\n", "users.txt line 1: a secret in double quotes was expected");
    check_refused("\"bob\" \"x\"\n\"ann\" \"y", "users.txt line 2: the secret has no closing double quote");
    check_refused("\"ann\" \"y\n\"", "users.txt line 1: the secret has no closing double quote");
    check_refused("\"bob", "users.txt line 1: the name has no closing double quote");
    check_refused("\"\" \"x\"", "users.txt line 1: the name is empty");
    check_refused("\"bob\" \"x\"y\"", "users.txt line 1: a blank was expected behind the secret; "
                  "a quote within quotes is doubled");
    check_refused("\"bob\" \"x\";", "users.txt line 1: a blank was expected behind the secret; "
                  "a quote within quotes is doubled");
    check_refused("\"a\" \"x\"\n\"b\" \"x\"\n\"a\" \"y\"",
                  "users.txt: user \"a\" has more than one line, only one is expected");
}

static void verifiers_that_are_damaged_are_refused(void **state)
{
    (void)state;
    check_refused("\"a\" \"SCRAM-SHA-256$4096:AAAA\"",
                  "users.txt line 1: the SCRAM-SHA-256 verifier is damaged: "
                  "copy the whole of pg_authid.rolpassword");
}

/* As PgBouncer's manual shows it, with the fields that it ignores. */
static void a_userlist_of_pgbouncer_is_read_as_it_is(void **state)
{
    struct users *users =
        parse(";; made by mkauth.py\n\"stats-user\" \"md5D8578EDF8458CE06FBC5BB76A58C5CA4\"\r\n"
              "\"plain\" \"some password\" \"\" 12 ;x\r\n\"scram\"   \"" VERIFIER "\" \n\n"
              "\"none\" \"\"\t\"\"\n");

    (void)state;
    assert_non_null(users);
    assert_int_equal(users_count(users), 4);
    assert_string_equal(secret_md5(users_find(users, "stats-user")->secret),
                        "md5d8578edf8458ce06fbc5bb76a58c5ca4");
    assert_string_equal(password_of(users, "plain"), "some password");
    assert_int_equal(secret_kind(users_find(users, "scram")->secret), SECRET_SCRAM);
    assert_int_equal(secret_kind(users_find(users, "none")->secret), SECRET_NONE);
    users_free(users);
}

static void a_secret_may_outlive_its_users(void **state)
{
    struct users *users = parse("\"a\" \"x\"");
    struct secret *secret = secret_retain(users_find(users, "a")->secret);

    (void)state;
    users_free(users);
    assert_string_equal(secret_password(secret), "x");
    secret_release(secret);
}

static void what_only_looks_like_a_hash_is_a_password(void **state)
{
    struct users *users =
        parse("\"a\" \"md5\"\n\"b\" \"md5d8578edf8458ce06fbc5bb76a58c5cax\"\n\"c\" \"SCRAM-SHA-256\"");

    (void)state;
    assert_non_null(users);
    assert_string_equal(password_of(users, "a"), "md5");
    assert_string_equal(password_of(users, "c"), "SCRAM-SHA-256");
    users_free(users);
}

static void long_names_and_secrets_are_refused(void **state)
{
    char text[3000], long_text[2100];
    struct users *users;

    (void)state;
    memset(long_text, 'x', sizeof long_text);
    sprintf(text, "\"%.63s\" \"%.2047s\"", long_text, long_text);
    users = parse(text);
    assert_non_null(users);
    users_free(users);
    sprintf(text, "\"%.64s\" \"x\"", long_text);
    check_refused(text, "users.txt line 1: the name is longer than 63 bytes");
    sprintf(text, "\"x\" \"%.2048s\"", long_text);
    check_refused(text, "users.txt line 1: the secret is longer than 2047 bytes");
}

static void zero_bytes_are_refused(void **state)
{
    (void)state;
    assert_null(users_parse("\"a\" \"x\0y\"", 9, "users.txt", &fault));
    assert_null(users_parse("\"a\0\" \"x\"", 8, "users.txt", &fault));
    assert_null(users_parse("\0", 1, "users.txt", &fault));
}

static void files_are_loaded_and_their_mode_is_judged(void **state)
{
    char path[] = "/tmp/test_users_XXXXXX", warning[400];
    int file = mkstemp(path);
    struct users *users;

    (void)state;
    assert_true(file >= 0);
    assert_int_equal(write(file, "\"a\" \"x\"\n", 8), 8);
    for (mode_t mode = 0600; mode <= 0640; mode += 040) {
        assert_int_equal(fchmod(file, mode), 0);
        users = users_load(path, warning, sizeof warning, &fault);
        assert_int_equal(users_count(users), 1);
        assert_string_equal(warning, "");
        users_free(users);
    }
    assert_int_equal(fchmod(file, 0644), 0);
    users = users_load(path, warning, sizeof warning, &fault);
    assert_non_null(strstr(warning, "has mode 0644"));
    users_free(users);
    close(file);
    unlink(path);
}

static void files_that_cannot_be_read_are_refused(void **state)
{
    char warning[400];

    (void)state;
    assert_null(users_load("/nonexistent/users.txt", warning, sizeof warning, &fault));
    assert_string_equal(fault.sqlstate, "58P01");
    assert_null(users_load("/tmp", warning, sizeof warning, &fault));
    assert_string_equal(fault.message, "the users file \"/tmp\" is not a regular file");
    assert_null(users_load("/dev/null", warning, sizeof warning, &fault));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passwords_verifiers_and_comments_are_read),
        cmocka_unit_test(an_empty_file_has_no_users),
        cmocka_unit_test(all_of_many_users_are_found),
        cmocka_unit_test(errors_name_the_line),
        cmocka_unit_test(verifiers_that_are_damaged_are_refused),
        cmocka_unit_test(a_userlist_of_pgbouncer_is_read_as_it_is),
        cmocka_unit_test(a_secret_may_outlive_its_users),
        cmocka_unit_test(what_only_looks_like_a_hash_is_a_password),
        cmocka_unit_test(long_names_and_secrets_are_refused),
        cmocka_unit_test(zero_bytes_are_refused),
        cmocka_unit_test(files_are_loaded_and_their_mode_is_judged),
        cmocka_unit_test(files_that_cannot_be_read_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
