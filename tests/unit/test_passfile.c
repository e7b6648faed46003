/* SPDX-License-Identifier: PostgreSQL
 * test_passfile - passwords are found as libpq finds them; what libpq silently passes over is refused. */
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

#include "gateway/auth/passfile.h"
#include "gateway/base/fault.h"

static struct fault fault;

static struct passfile *parse(const char *text)
{
    size_t length = strlen(text);
    char *exact = malloc(length + 1);
    struct passfile *file;

    memcpy(exact, text, length);
    file = passfile_parse(exact, length, "passfile", &fault);
    free(exact);
    return file;
}

/* What is found for user u in database d, "-" for nothing. */
static const char *found(const struct passfile *file, const char *host, int port)
{
    const char *password = passfile_find(file, host, port, "d", "u");

    return password == NULL ? "-" : password;
}

static void the_first_line_that_fits_decides(void **state)
{
    struct passfile *file = parse("# comment: with: four: colons:\n\n"
                                  "h:5432:d:u:first\n"
                                  "h:*:d:u:second\r\n"
                                  "*:6000:*:*:third\n"
                                  "*:*:*:other:fourth\n"
                                  "h2:5432:d:u:\n"
                                  "h2:5432:*:*:hidden\n"
                                  "*:*:d:u:last");

    (void)state;
    assert_non_null(file);
    assert_string_equal(found(file, "h", 5432), "first");
    assert_string_equal(found(file, "h", 5433), "second");
    assert_string_equal(found(file, "x", 6000), "third");
    assert_string_equal(found(file, "h2", 5432), "-");
    assert_string_equal(found(file, "x", 5432), "last");
    assert_string_equal(passfile_find(file, "h", 5432, "d", "other"), "fourth");
    assert_null(passfile_find(file, "h", 5432, "D", "u"));
    assert_null(passfile_find(file, "h", 5432, "d", "U"));
    assert_null(passfile_find(file, "h", 5432, "", ""));
    passfile_free(file);
    passfile_free(NULL);
}

static void backslashes_take_the_meaning_away(void **state)
{
    struct passfile *file = parse("\\:\\:1:5432:a\\:b:u\\\\:p\\:a\\\\s\\s\\\n"
                                  "h:5432:\\*:u:star\n"
                                  "*\\*:5432:d:u:two\n");

    (void)state;
    assert_non_null(file);
    assert_string_equal(passfile_find(file, "::1", 5432, "a:b", "u\\"), "p:a\\ss\\");
    assert_string_equal(passfile_find(file, "h", 5432, "*", "u"), "star");
    assert_null(passfile_find(file, "h", 5432, "d", "u"));
    assert_string_equal(found(file, "**", 5432), "two");
    passfile_free(file);
}

static void socket_directories_are_hosts_or_localhost(void **state)
{
    struct passfile *file = parse("/srv/pg:*:d:u:named\n/tmp:1:d:u:usual\nlocalhost:*:d:u:local\n");

    (void)state;
    assert_string_equal(found(file, "/srv/pg", 1), "named");
    assert_string_equal(found(file, "/srv/other", 1), "-");
    assert_string_equal(found(file, "/tmp", 1), "usual");
    assert_string_equal(found(file, "/tmp", 2), "local");
    assert_string_equal(found(file, "/var/run/postgresql", 1), "local");
    assert_string_equal(found(file, "/run/postgresql", 1), "local");
    assert_string_equal(found(file, "localhost", 1), "local");
    assert_string_equal(found(file, "", 1), "local");
    assert_string_equal(found(file, NULL, 1), "local");
    assert_string_equal(found(file, "127.0.0.1", 1), "-");
    passfile_free(file);
}

static void fields_may_be_empty_and_fit_nothing(void **state)
{
    struct passfile *file = parse(":*:d:u:nobody\nh:*::u:nobody\nh:*:d::nobody\n h:*:d:u:blank\n");

    (void)state;
    assert_non_null(file);
    assert_string_equal(found(file, "h", 1), "-");
    assert_string_equal(found(file, "", 1), "-");
    assert_string_equal(found(file, " h", 1), "blank");
    passfile_free(file);
}

static void an_empty_file_has_no_passwords(void **state)
{
    struct passfile *file = parse("");

    (void)state;
    assert_string_equal(found(file, "h", 1), "-");
    passfile_free(file);
}

static void check_refused(const char *text, const char *expected)
{
    assert_null(parse(text));
    assert_string_equal(fault.sqlstate, "F0000");
    assert_string_equal(fault.message, expected);
}

static void errors_name_the_line(void **state)
{
    static const char fields[] = "HOST:PORT:DATABASE:USER:PASSWORD was expected, it has fewer fields";
    static const char port[] = "the port must be * or a number from 1 to 65535";
    static const struct {
        const char *text;
        int line;
        const char *why;
    } bad[] = {
        { "x", 1, fields },
        { "\n\nh:1:d:u", 3, fields },
        { "h:1:d:u\\:p", 1, fields },
        { "h:1:d:u:p\nh:1:d\n:u:p", 2, fields },
        { "  ", 1, fields },
        { " # comment", 1, fields },
        { "::", 1, port },
        { "h:x:d:u:p", 1, port },
        { "h:0:d:u:p", 1, port },
        { "h:05432:d:u:p", 1, port },
        { "h:-1:d:u:p", 1, port },
        { "h:65536:d:u:p", 1, port },
        { "h:4294972728:d:u:p", 1, port },
        { "h:99999999999999999999:d:u:p", 1, port },
        { "h:5432 :d:u:p", 1, port },
        { "h:**:d:u:p", 1, port },
        { "#\nh:1:d:u:p:q", 2, "nothing may follow the password; a colon in it is written \\:" },
        { "h:1:d:u:p:", 1, "nothing may follow the password; a colon in it is written \\:" },
    };
    char expected[200];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(expected, sizeof expected, "passfile line %d: %s", bad[i].line, bad[i].why);
        check_refused(bad[i].text, expected);
    }
}

static void passwords_that_are_too_long_are_refused(void **state)
{
    char text[3000] = "h:1:d:u:";
    struct passfile *file;

    (void)state;
    memset(text + 8, 'x', 2048);
    text[8 + 2048] = '\0';
    check_refused(text, "passfile line 1: the password is longer than 2047 bytes");
    text[8 + 2047] = '\0';
    file = parse(text);
    assert_int_equal(strlen(found(file, "h", 1)), 2047);
    passfile_free(file);
}

static void zero_bytes_are_refused(void **state)
{
    static const char whole[] = "h:1:d:u:p\n";

    (void)state;
    for (size_t i = 0; i < sizeof whole - 1; i++) {
        char text[sizeof whole];

        memcpy(text, whole, sizeof text);
        text[i] = '\0';
        assert_null(passfile_parse(text, sizeof whole - 1, "passfile", &fault));
        assert_string_equal(fault.sqlstate, "F0000");
    }
}

static void files_are_loaded_and_their_mode_is_judged(void **state)
{
    char path[] = "/tmp/test_passfile_XXXXXX", warning[400];
    int file = mkstemp(path);
    struct passfile *passfile;

    (void)state;
    assert_true(file >= 0);
    assert_int_equal(write(file, "h:1:d:u:p\n", 10), 10);
    assert_int_equal(fchmod(file, 0600), 0);
    passfile = passfile_load(path, warning, sizeof warning, &fault);
    assert_string_equal(found(passfile, "h", 1), "p");
    assert_string_equal(warning, "");
    passfile_free(passfile);
    assert_int_equal(fchmod(file, 0644), 0);
    passfile = passfile_load(path, warning, sizeof warning, &fault);
    assert_non_null(passfile);
    assert_non_null(strstr(warning, "the passfile \"/tmp/test_passfile_"));
    assert_non_null(strstr(warning, "has mode 0644"));
    passfile_free(passfile);
    close(file);
    unlink(path);
    assert_null(passfile_load(path, warning, sizeof warning, &fault));
    assert_string_equal(fault.sqlstate, "58P01");
    assert_null(passfile_load("/tmp", warning, sizeof warning, &fault));
    assert_string_equal(fault.message, "the passfile \"/tmp\" is not a regular file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_line_that_fits_decides),
        cmocka_unit_test(backslashes_take_the_meaning_away),
        cmocka_unit_test(socket_directories_are_hosts_or_localhost),
        cmocka_unit_test(fields_may_be_empty_and_fit_nothing),
        cmocka_unit_test(an_empty_file_has_no_passwords),
        cmocka_unit_test(errors_name_the_line),
        cmocka_unit_test(passwords_that_are_too_long_are_refused),
        cmocka_unit_test(zero_bytes_are_refused),
        cmocka_unit_test(files_are_loaded_and_their_mode_is_judged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
