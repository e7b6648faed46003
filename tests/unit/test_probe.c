/* SPDX-License-Identifier: PostgreSQL
 * test_probe - the question holds what was suspected and nothing else, and no answer can do harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/session/probe.h"
#include "gateway/session/suspicion.h"

static struct settings_home home;

static int open_home(void **state)
{
    (void)state;
    settings_open(&home);
    return 0;
}

static int close_home(void **state)
{
    (void)state;
    settings_close(&home);
    return 0;
}

static struct suspicion *suspect(uint32_t pins, const char *name, bool all)
{
    struct suspicion *suspicion = suspicion_new();
    struct statement_facts facts = {.suspects = pins, .settings_all = all};

    if (name != NULL) {
        facts.settings.count = 1;
        strcpy(facts.settings.names[0], name);
    }
    suspicion_add(suspicion, &facts, "text", 4, false);
    return suspicion;
}

static struct probe *question(uint32_t pins, const char *name, bool all, char **sql)
{
    struct suspicion *suspicion = suspect(pins, name, all);
    struct probe *probe = probe_new(suspicion, NULL, "app", sql);

    suspicion_free(suspicion);
    assert_non_null(probe);
    return probe;
}

/* A DataRow body of three columns; NULL is SQL NULL. */
static void answer(struct probe *probe, const char *letter, const char *name, const char *value)
{
    const char *const columns[] = {letter, name, value};
    unsigned char body[256] = {0, 3};
    size_t used = 2;

    for (int i = 0; i < 3; i++) {
        uint32_t length = columns[i] == NULL ? UINT32_MAX : (uint32_t)strlen(columns[i]);

        for (int shift = 24; shift >= 0; shift -= 8)
            body[used++] = (unsigned char)(length >> shift);
        if (columns[i] == NULL)
            continue;
        memcpy(body + used, columns[i], length);
        used += length;
    }
    probe_row(probe, body, used);
}

static void one_named_setting_is_asked_for_by_its_name(void **state)
{
    struct probe *probe;
    char *sql;

    (void)state;
    probe = question(PIN_BIT(SETTING), "app.it's", false, &sql);
    assert_string_equal(
        sql, "SELECT 's', v.n, pg_catalog.current_setting(v.n, true) FROM (VALUES (E'app.it''s')) v(n)");
    assert_false(probe->all);
    free(sql);
    probe_free(probe);
}

static void everything_is_asked_when_nothing_is_known(void **state)
{
    struct probe *probe;
    char *sql;

    (void)state;
    probe = question(PIN_BIT(ANYTHING), NULL, false, &sql);
    assert_true(probe->all);
    assert_non_null(strstr(sql, "pg_settings"));
    assert_non_null(strstr(sql, "'advisory'"));
    assert_non_null(strstr(sql, "pg_my_temp_schema"));
    assert_non_null(strstr(sql, "pg_cursors"));
    assert_non_null(strstr(sql, "pg_listening_channels"));
    free(sql);
    probe_free(probe);
}

static void a_lock_is_asked_for_alone(void **state)
{
    struct probe *probe;
    char *sql;

    (void)state;
    probe = question(PIN_BIT(ADVISORY_LOCK), NULL, false, &sql);
    assert_null(strstr(sql, "pg_settings"));
    assert_null(strstr(sql, "UNION"));
    answer(probe, "a", NULL, NULL);
    assert_int_equal(probe->found, PIN_BIT(ADVISORY_LOCK));
    free(sql);
    probe_free(probe);
}

static void the_answer_becomes_a_set(void **state)
{
    const struct settings *set;
    struct probe *probe;
    char *sql;

    (void)state;
    probe = question(PIN_BIT(SETTING), NULL, true, &sql);
    answer(probe, "s", "DateStyle", "ISO, DMY");
    answer(probe, "r", "role", "none");
    answer(probe, "r", "session_authorization", "app");
    assert_true(probe_settings(probe, &home, NULL, "app", &set));
    assert_int_equal(set->count, 1);
    assert_string_equal(settings_value(set, "datestyle"), "ISO, DMY");
    settings_release(set);
    free(sql);
    probe_free(probe);
}

static void what_was_not_asked_for_stays(void **state)
{
    struct setting items[] = {{"jit", "off"}, {"work_mem", "1"}};
    const struct settings *known, *set;
    struct probe *probe;
    char *sql;

    (void)state;
    assert_true(settings_intern(&home, items, 2, &known));
    probe = question(PIN_BIT(SETTING), "work_mem", false, &sql);
    answer(probe, "s", "work_mem", "2");
    assert_true(probe_settings(probe, &home, known, "app", &set));
    assert_string_equal(settings_value(set, "jit"), "off");
    assert_string_equal(settings_value(set, "work_mem"), "2");
    settings_release(set);
    settings_release(known);
    free(sql);
    probe_free(probe);
}

static void a_setting_that_is_gone_leaves_the_set(void **state)
{
    struct setting items[] = {{"app.x", "1"}};
    const struct settings *known, *set;
    struct probe *probe;
    char *sql;

    (void)state;
    assert_true(settings_intern(&home, items, 1, &known));
    probe = question(PIN_BIT(SETTING), "app.x", false, &sql);
    answer(probe, "s", "app.x", NULL);
    assert_true(probe_settings(probe, &home, known, "app", &set));
    assert_null(set);
    settings_release(known);
    free(sql);
    probe_free(probe);
}

static void an_answer_that_cannot_be_is_no_answer(void **state)
{
    static const unsigned char *const bodies[] = {
        (const unsigned char *)"\0\2\0\0\0\1s\0\0\0\1a",
        (const unsigned char *)"\0\3\0\0\0\1s\0\0\0\377a\0\0",
        (const unsigned char *)"\0\3\377\377\377\377\377\377\377\377\377\377"};
    struct probe *probe;
    char *sql;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        probe = question(PIN_BIT(SETTING), "app.x", false, &sql);
        probe_row(probe, bodies[i], 12);
        assert_true(probe->broken);
        free(sql);
        probe_free(probe);
    }
}

static void too_many_names_become_a_question_for_all(void **state)
{
    struct suspicion *suspicion = suspicion_new();
    char name[16];

    (void)state;
    for (int i = 0; i <= SUSPECT_NAMES; i++) {
        name[0] = (char)('a' + i % 26);
        name[1] = (char)('a' + i / 26);
        name[2] = '\0';
        assert_false(suspicion->settings_all);
        suspicion_name(suspicion, name);
        suspicion_name(suspicion, name);
    }
    assert_true(suspicion->settings_all);
    suspicion_free(suspicion);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_named_setting_is_asked_for_by_its_name),
        cmocka_unit_test(everything_is_asked_when_nothing_is_known),
        cmocka_unit_test(a_lock_is_asked_for_alone),
        cmocka_unit_test_setup_teardown(the_answer_becomes_a_set, open_home, close_home),
        cmocka_unit_test_setup_teardown(what_was_not_asked_for_stays, open_home, close_home),
        cmocka_unit_test_setup_teardown(a_setting_that_is_gone_leaves_the_set, open_home, close_home),
        cmocka_unit_test(an_answer_that_cannot_be_is_no_answer),
        cmocka_unit_test(too_many_names_become_a_question_for_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
