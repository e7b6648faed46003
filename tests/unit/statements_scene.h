/* SPDX-License-Identifier: PostgreSQL
 * statements_scene - a registry of statements for one test, empty again at its end. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/session/prepared.h"

static struct statements all;

static int open_all(void **state)
{
    (void)state;
    statements_open(&all);
    return 0;
}

static size_t statement_count(void)
{
    size_t count = 0;

    for (int i = 0; i < STATEMENT_STRIPES; i++)
        count += all.stripes[i].table.count;
    return count;
}

/* Whoever kept a reference would be found here: a statement lives as long as somebody refers to it. */
static int close_all(void **state)
{
    (void)state;
    assert_int_equal(statement_count(), 0);
    statements_close(&all);
    return 0;
}

static struct statement *intern(const char *query, const char *types, size_t types_bytes)
{
    struct parse_fields parse = { "name", query, strlen(query), types, types_bytes };
    struct statement *statement = statement_intern(&all, &parse, NULL);

    assert_non_null(statement);
    return statement;
}

static struct statement *plain(const char *query)
{
    return intern(query, "\0\0", 2);
}
