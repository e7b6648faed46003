/* SPDX-License-Identifier: PostgreSQL
 * conditions - the match group of a route, compiled: which connections the route is for. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "conf/pattern.h"
#include "conf/types.h"

struct arena;
struct conf_group;

/* The group as it was written; rows of options.def, scope match. */
struct match_options {
    struct strings class, user, database, application_name, replication, listener, client_addr, tls;
};

/* Any of them may match; an empty list matches anything. */
struct patterns {
    struct pattern *items;
    size_t count;
};

struct parameter_condition {
    const char *name;
    struct patterns patterns;
};

/* What router/match asks. Lives in the snapshot's arena, compiled expressions outside of it. */
struct match {
    struct patterns class, user, database, application_name, replication, listener, client_addr, tls;
    struct parameter_condition *parameters;
    size_t parameter_count;
};

/* Reads and compiles the group `match` of a route; an absent group matches anything. Problems are reported
 * through the group. The result is released with conditions_free before its arena. */
struct match *conditions_read(struct conf_group *route, struct arena *arena);
void conditions_free(struct match *match);

/* Whether `class` is named by the conditions, by a pattern or by name. False when none is named at all. */
bool conditions_name_class(const struct match *match, enum class class);
