/* SPDX-License-Identifier: PostgreSQL
 * test_hba_same - what PostgreSQL itself said about files of rules and maps, row by row in hba_same.def, and
 * where we differ on purpose. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "conf/problems.h"
#include "gateway/auth/hba.h"
#include "gateway/auth/ident.h"
#include "gateway/base/fault.h"
#include "gateway/net/address.h"

enum row_kind { SAME, STRICTER, OWN, IDENT, IDENT_STRICT, FILE_HBA, ASK_HBA, FILE_IDENT, ASK_IDENT };

struct row {
    enum row_kind kind;
    const char *text;            /* a file */
    const char *rules, *errors;  /* numbers of lines */
    const char *database, *user; /* of a question; for maps the map and the system's user */
    bool flag;                   /* replication; for maps whether it is allowed */
    const char *address;         /* for maps the database's user */
    bool tls;
    int line;
};

static const struct row rows[] = {
#define HBA_SAME(text, rules, errors) { SAME, text, rules, errors, 0, 0, 0, 0, 0, 0 },
#define HBA_STRICTER(text, errors) { STRICTER, text, NULL, errors, 0, 0, 0, 0, 0, 0 },
#define HBA_OWN(text, rules, errors) { OWN, text, rules, errors, 0, 0, 0, 0, 0, 0 },
#define HBA_FILE(text) { FILE_HBA, text, 0, 0, 0, 0, 0, 0, 0, 0 },
#define HBA_ASK(database, user, replication, address, tls, line) \
    { ASK_HBA, 0, 0, 0, database, user, replication, address, tls, line },
#define IDENT_SAME(text, rules, errors) { IDENT, text, rules, errors, 0, 0, 0, 0, 0, 0 },
#define IDENT_STRICTER(text, errors) { IDENT_STRICT, text, NULL, errors, 0, 0, 0, 0, 0, 0 },
#define IDENT_FILE(text) { FILE_IDENT, text, 0, 0, 0, 0, 0, 0, 0, 0 },
#define IDENT_ASK(map, system_user, user, allowed) \
    { ASK_IDENT, 0, 0, 0, map, system_user, allowed, user, 0, 0 },
#include "tests/unit/hba_same.def"
};

enum { ROWS = sizeof rows / sizeof *rows };

static struct problems problems;
static struct fault fault;

static void number_add(char *list, int line)
{
    sprintf(list + strlen(list), *list == '\0' ? "%d" : " %d", line);
}

/* The lines with errors; "0" stands for the file as a whole. */
static void errors_list(char *list)
{
    *list = '\0';
    for (const struct problem *one = problems.first; one != NULL; one = one->next)
        number_add(list, one->line);
}

static void check_hba(const struct row *row)
{
    char errors[100], rules[100] = "";
    struct hba *hba;

    assert_true(problems_init(&problems));
    hba = hba_parse(row->text, strlen(row->text), "hba.conf", &problems, &fault);
    errors_list(errors);
    if (hba != NULL)
        for (const struct hba_rule *rule = hba_first(hba); rule != NULL; rule = rule->next)
            number_add(rules, rule->line);
    if (strcmp(errors, row->errors) != 0 ||
        (hba != NULL && row->rules != NULL && strcmp(rules, row->rules) != 0))
        fail_msg("%s: rules %s, errors %s: %s", row->text, rules, errors, hba == NULL ? fault.message : "");
    hba_free(hba);
    problems_free(&problems);
}

static void check_ident(const struct row *row)
{
    char errors[100];
    struct ident *ident;

    assert_true(problems_init(&problems));
    ident = ident_parse(row->text, strlen(row->text), "ident.conf", &problems, &fault);
    errors_list(errors);
    if (strcmp(errors, row->errors) != 0)
        fail_msg("%s: errors %s: %s", row->text, errors, ident == NULL ? fault.message : "");
    ident_free(ident);
    problems_free(&problems);
}

static void the_same_lines_are_rules_and_errors(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        if (rows[i].kind == SAME)
            check_hba(&rows[i]);
        if (rows[i].kind == IDENT)
            check_ident(&rows[i]);
    }
}

static void what_is_stricter_here_is_an_error_on_its_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        if (rows[i].kind == STRICTER)
            check_hba(&rows[i]);
        if (rows[i].kind == IDENT_STRICT)
            check_ident(&rows[i]);
    }
}

static void what_is_newer_or_our_own_is_understood(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        if (rows[i].kind == OWN)
            check_hba(&rows[i]);
    }
}

/* carol is in leads, leads and alice are in staff; boss is a superuser. */
static enum hba_answer ask(void *context, const char *role, const char *user)
{
    (void)context;
    if (strcmp(role, "staff") == 0 && (strcmp(user, "alice") == 0 || strcmp(user, "carol") == 0))
        return HBA_YES;
    return strcmp(role, "leads") == 0 && strcmp(user, "carol") == 0 ? HBA_YES : HBA_NO;
}

static void check_decision(const struct hba *hba, const struct row *row)
{
    struct address address;
    struct hba_question question = { row->database, row->user, row->flag, row->tls, NULL, { ask, NULL } };
    const struct hba_rule *rule;

    if (strcmp(row->address, "local") != 0) {
        assert_true(address_numeric(row->address, 40000, &address));
        question.address = &address.any;
    }
    rule = hba_match(hba, &question);
    if ((rule == NULL ? 0 : rule->line) != row->line)
        fail_msg("database %s user %s from %s: line %d, expected %d", row->database, row->user, row->address,
                 rule == NULL ? 0 : rule->line, row->line);
}

static void the_same_rule_decides(void **state)
{
    struct hba *hba = NULL;
    int asked = 0;

    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        if (rows[i].kind == FILE_HBA) {
            hba_free(hba);
            hba = hba_parse(rows[i].text, strlen(rows[i].text), "hba.conf", NULL, &fault);
            assert_non_null(hba);
        }
        if (rows[i].kind == ASK_HBA) {
            check_decision(hba, &rows[i]);
            asked++;
        }
    }
    hba_free(hba);
    assert_in_range(asked, 40, 1000);
}

static void the_same_maps_allow(void **state)
{
    struct ident *ident = NULL;

    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        const struct row *row = &rows[i];
        struct ident_question question = { row->user, row->address, { NULL, NULL } };

        if (row->kind == FILE_IDENT) {
            ident_free(ident);
            ident = ident_parse(row->text, strlen(row->text), "ident.conf", NULL, &fault);
            assert_non_null(ident);
        }
        if (row->kind == ASK_IDENT && ident_match(ident, row->database, &question) != row->flag)
            fail_msg("map %s, %s as %s", row->database, row->user, row->address);
    }
    ident_free(ident);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_lines_are_rules_and_errors),
        cmocka_unit_test(what_is_stricter_here_is_an_error_on_its_line),
        cmocka_unit_test(what_is_newer_or_our_own_is_understood),
        cmocka_unit_test(the_same_rule_decides),
        cmocka_unit_test(the_same_maps_allow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
