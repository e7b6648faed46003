/* SPDX-License-Identifier: PostgreSQL
 * test_hba_files - files of rules include others, within bounds, and problems name the file they are in. */
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

#include "conf/problems.h"
#include "gateway/auth/hba.h"
#include "gateway/auth/ident.h"
#include "gateway/base/fault.h"

enum { NAMES_MAX = 64 };

static char directory[40];
static char names[NAMES_MAX][60];
static size_t name_count;
static struct fault fault;

static const char *path_of(const char *name)
{
    static char path[120];

    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static void file_write(const char *name, const char *text)
{
    FILE *file = fopen(path_of(name), "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_in_range(name_count, 0, NAMES_MAX - 1);
    strcpy(names[name_count++], name);
}

static int directory_make(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/test_hba_XXXXXX");
    name_count = 0;
    return mkdtemp(directory) == NULL;
}

static int directory_remove(void **state)
{
    (void)state;
    while (name_count > 0)
        remove(path_of(names[--name_count]));
    return rmdir(directory);
}

static struct hba *load(void)
{
    return hba_load(path_of("hba.conf"), NULL, &fault);
}

/* The file's name and line of every rule. */
static void check_rules(const char *expected)
{
    struct hba *hba = load();
    char found[600] = "";

    if (hba == NULL)
        fail_msg("%s", fault.message);
    for (const struct hba_rule *rule = hba_first(hba); rule != NULL; rule = rule->next)
        sprintf(found + strlen(found), "%s:%d ", rule->file + strlen(directory) + 1, rule->line);
    assert_string_equal(found, expected);
    hba_free(hba);
}

static void check_refused(const char *file, const char *expected)
{
    char message[700];

    snprintf(message, sizeof message, "%s/%s", directory, file);
    assert_null(load());
    assert_string_equal(fault.sqlstate, "F0000");
    if (strncmp(fault.message, message, strlen(message)) != 0 || strstr(fault.message, expected) == NULL)
        fail_msg("%s", fault.message);
}

static bool allows(const struct hba *hba, const char *database, const char *user)
{
    struct hba_question question = { .database = database, .user = user };

    return hba_match(hba, &question) != NULL;
}

static void included_files_take_the_place_of_their_line(void **state)
{
    (void)state;
    file_write("hba.conf", "local a a trust\ninclude one.conf\ninclude_if_exists \"two.conf\"\n"
                           "include_if_exists absent.conf\nlocal z z trust\n");
    file_write("one.conf", "\nlocal b b trust\ninclude three.conf\n");
    file_write("two.conf", "local c c trust\n");
    file_write("three.conf", "# nothing\nlocal d d trust");
    check_rules("hba.conf:1 one.conf:2 three.conf:2 two.conf:1 hba.conf:5 ");
}

static void a_directory_is_included_in_the_order_of_its_names(void **state)
{
    (void)state;
    file_write("hba.conf", "include_dir hba.d\n");
    assert_int_equal(mkdir(path_of("hba.d"), 0700), 0);
    strcpy(names[name_count++], "hba.d");
    file_write("hba.d/20.conf", "local a a trust\n");
    file_write("hba.d/10.conf", "local b b trust\n");
    file_write("hba.d/B.conf", "local c c trust\n");
    file_write("hba.d/.hidden.conf", "nonsense\n");
    file_write("hba.d/30.conf.old", "nonsense\n");
    file_write("hba.d/.conf", "nonsense\n");
    check_rules("hba.d/10.conf:1 hba.d/20.conf:1 hba.d/B.conf:1 ");
}

static void names_come_from_files(void **state)
{
    struct hba *hba;

    (void)state;
    file_write("hba.conf", "local @dbs,\"@dbs\" x,@users trust\n");
    file_write("dbs", "a, b # c\n\"d e\"\n@more\n");
    file_write("more", "f");
    file_write("users", "all");
    hba = load();
    assert_non_null(hba);
    assert_true(allows(hba, "a", "anybody") && allows(hba, "b", "x") && allows(hba, "d e", "x"));
    assert_true(allows(hba, "f", "x") && allows(hba, "@dbs", "x"));
    assert_false(allows(hba, "c", "x"));
    hba_free(hba);
}

static void files_that_cannot_be_read_are_refused(void **state)
{
    (void)state;
    assert_null(load());
    assert_string_equal(fault.sqlstate, "58P01");
    assert_non_null(strstr(fault.message, "hba.conf: the file cannot be read: No such file or directory"));
    assert_null(hba_load("/dev/zero", NULL, &fault));
    assert_string_equal(fault.message, "/dev/zero: the file cannot be read: it is not a regular file");
    file_write("hba.conf", "local all all trust\ninclude absent\n");
    check_refused("hba.conf line 2", "absent\" cannot be included: No such file or directory");
    file_write("hba.conf", "local @absent all trust\n");
    check_refused("hba.conf line 1", "absent\" cannot be included: No such file or directory");
    file_write("hba.conf", "include_dir absent\n");
    check_refused("hba.conf line 1", "absent\" cannot be read: No such file or directory");
    file_write("hba.conf", "include a,b\n");
    check_refused("hba.conf line 1", "one file is expected here, found a list; write one line for each");
    file_write("empty", "# nobody\n");
    file_write("hba.conf", "local all @empty trust\n");
    check_refused("hba.conf line 1", "the file behind @ has no names");
    file_write("hba.conf", "include /dev/null\n");
    check_refused("hba.conf line 1", "cannot be included: it is not a regular file");
}

static void problems_name_the_file_they_are_in(void **state)
{
    struct problems problems;

    (void)state;
    file_write("hba.conf", "local all all trust\ninclude one.conf\nlocal all\nlocal all @list trust\n");
    file_write("one.conf", "\nlocal all all\n");
    file_write("list", "a\n\"b\n");
    assert_true(problems_init(&problems));
    assert_null(hba_load(path_of("hba.conf"), &problems, &fault));
    assert_int_equal(problems.count, 3);
    assert_string_equal(problems.first->file, path_of("one.conf"));
    assert_int_equal(problems.first->line, 2);
    assert_string_equal(problems.first->next->file, path_of("hba.conf"));
    assert_int_equal(problems.first->next->line, 3);
    assert_string_equal(problems.first->next->next->file, path_of("list"));
    assert_int_equal(problems.first->next->next->line, 2);
    problems_free(&problems);
}

static void files_nest_ten_deep_and_no_deeper(void **state)
{
    char name[20], text[60];

    (void)state;
    for (int i = 0; i < 11; i++) {
        sprintf(name, i == 0 ? "hba.conf" : "%d.conf", i);
        sprintf(text, i == 10 ? "local all all trust\n" : "include %d.conf\n", i + 1);
        file_write(name, text);
    }
    check_rules("10.conf:1 ");
    file_write("10.conf", "include 11.conf\n");
    file_write("11.conf", "local all all trust\n");
    check_refused("10.conf line 1", "11.conf\" cannot be included: files include each other more than 10 "
                                    "deep");
    file_write("10.conf", "local @hba.conf all trust\n");
    check_refused("10.conf line 1", "files include each other more than 10 deep");
}

static void files_that_include_themselves_end(void **state)
{
    (void)state;
    file_write("hba.conf", "include hba.conf\ninclude hba.conf\ninclude hba.conf\ninclude hba.conf\n");
    check_refused("hba.conf line 1", "more than 10 deep");
    file_write("hba.conf", "local all @names trust\n");
    file_write("names", "a @names @names @names\n");
    check_refused("names line 1", "more than 10 deep");
}

static void a_thousand_files_are_enough(void **state)
{
    char *text = malloc(40000);
    size_t used = 0;

    (void)state;
    for (int i = 0; i < HBA_FILES_MAX; i++)
        used += (size_t)sprintf(text + used, "local all @names trust\n");
    file_write("hba.conf", text);
    file_write("names", "a");
    check_refused("hba.conf line 1000", "cannot be included: there are more than 1000 files");
    free(text);
}

static void maps_include_files_too(void **state)
{
    struct ident_question question = { .system_user = "root", .database_user = "bob" };
    struct ident *ident;

    (void)state;
    file_write("ident.conf", "m ann ann\ninclude more.conf\n");
    file_write("more.conf", "m root bob\n");
    ident = ident_load(path_of("ident.conf"), NULL, &fault);
    assert_true(ident_match(ident, "m", &question));
    ident_free(ident);
    file_write("more.conf", "m root\n");
    assert_null(ident_load(path_of("ident.conf"), NULL, &fault));
    assert_non_null(strstr(fault.message, "more.conf line 1: expected a map"));
    assert_null(ident_load(path_of("absent"), NULL, &fault));
    assert_string_equal(fault.sqlstate, "58P01");
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, directory_make, directory_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(included_files_take_the_place_of_their_line),
        IN_DIRECTORY(a_directory_is_included_in_the_order_of_its_names),
        IN_DIRECTORY(names_come_from_files),
        IN_DIRECTORY(files_that_cannot_be_read_are_refused),
        IN_DIRECTORY(problems_name_the_file_they_are_in),
        IN_DIRECTORY(files_nest_ten_deep_and_no_deeper),
        IN_DIRECTORY(files_that_include_themselves_end),
        IN_DIRECTORY(a_thousand_files_are_enough),
        IN_DIRECTORY(maps_include_files_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
