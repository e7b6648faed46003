/* SPDX-License-Identifier: PostgreSQL
 * statement_scene - a text is classified from memory of exactly its size, and what is found is compared. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/session/routines.h"
#include "gateway/session/statement.h"

static inline struct statement_facts classify_as(const char *text, bool standard_strings,
                                                 const struct routines *routines)
{
    struct statement_facts facts;
    size_t length = strlen(text);
    char *exact = malloc(length == 0 ? 1 : length);

    memset(&facts, 0xff, sizeof facts); /* whoever forgets to fill in a field is seen */
    memcpy(exact, text, length);
    statement_classify(exact, length, standard_strings, routines, &facts);
    free(exact);
    return facts;
}

static inline struct statement_facts classify(const char *text)
{
    return classify_as(text, true, NULL);
}

static inline void check_found(const char *text, const struct statement_facts *facts, uint32_t suspects)
{
    char found[400], expected[400];

    if (facts->suspects != suspects)
        print_error("%s instead of %s for: %s\n", pins_print(facts->suspects, found, sizeof found),
                    pins_print(suspects, expected, sizeof expected), text);
    assert_int_equal(facts->suspects, suspects);
}

#define check_suspects(suspected, ...) \
    do { \
        const char *const texts[] = {__VA_ARGS__}; \
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) { \
            struct statement_facts found = classify(texts[i]); \
            check_found(texts[i], &found, (suspected)); \
        } \
    } while (0)

/* All of these texts, or none, have the fact. */
#define check_fact(fact, expected, ...) \
    do { \
        const char *const texts[] = {__VA_ARGS__}; \
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) { \
            if (classify(texts[i]).fact != (expected)) \
                fail_msg(#fact " of: %s", texts[i]); \
        } \
    } while (0)

/* The names of settings in the order they were found, with spaces between. */
static inline void check_names(const char *text, const struct setting_names *names, const char *expected)
{
    char found[STATEMENT_SETTINGS * (SETTING_NAME_BYTES + 1)] = "";

    for (uint32_t i = 0; i < names->count; i++) {
        if (i > 0)
            strcat(found, " ");
        strcat(found, names->names[i]);
    }
    if (strcmp(found, expected) != 0)
        print_error("\"%s\" instead of \"%s\" for: %s\n", found, expected, text);
    assert_string_equal(found, expected);
}

/* Only these settings may change, by name. */
static inline void check_settings(const char *text, const char *expected)
{
    struct statement_facts facts = classify(text);

    check_names(text, &facts.settings, expected);
    check_found(text, &facts, *expected == '\0' ? 0 : PIN_BIT(SETTING));
    assert_false(facts.settings_all);
    assert_int_equal(facts.setting_parameter, 0);
}

#define check_settings_of(expected, ...) \
    do { \
        const char *const texts[] = {__VA_ARGS__}; \
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) \
            check_settings(texts[i], (expected)); \
    } while (0)
