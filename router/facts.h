/* SPDX-License-Identifier: PostgreSQL
 * facts - what a PostgreSQL server said about itself at some moment. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Rows of router/facts.def; copied, never changed. */
struct host_facts {
#define FACT(field, sql, sentence) int64_t field;
#include "router/facts.def"
#undef FACT
    uint64_t asked_us, answered_us; /* by clock_now_us */
};

/* Sets the fact of that name. False when there is no such name. */
bool facts_set(struct host_facts *facts, const char *name, int64_t value);
/* Name and SQL of the index-th; NULL behind the last. */
const char *facts_name(size_t index, const char **sql);
