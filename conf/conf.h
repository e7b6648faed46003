/* SPDX-License-Identifier: PostgreSQL
 * conf - a table-driven reader of libconfig files, used by both programs.
 *
 * Open a file, take its root group, and for every group: conf_defaults (or a copy of what it inherits),
 * conf_read with the rows that belong there, conf_child and conf_items for what is nested, and conf_end,
 * which reports every key that nobody asked for. Problems are collected, so reading never stops early:
 * the caller looks at problems->count when everything was read. */
#pragma once

#include "conf/problems.h"
#include "conf/row.h"

struct conf;
struct config_setting_t;

enum { CONF_KEYS_MAX = 64 };

/* One group of the file; lives as long as the conf. Embedded by callers, filled by the functions below. */
struct conf_group {
    struct conf *conf;
    struct config_setting_t *setting; /* NULL: the group is absent, and reading it changes nothing */
    const char *what;                 /* for sentences: "" for the whole file, "route \"web\"", "auth" */
    const char *known[CONF_KEYS_MAX];
    size_t known_count;
};

/* Parses path and its includes; NULL when that failed (problems say why). Strings that are read are
 * copied into the arena and may outlive the conf; file names in problems are as given here. */
struct conf *conf_open(const char *path, struct arena *arena, struct problems *problems);
void conf_close(struct conf *conf);

struct conf_group conf_root(struct conf *conf);

/* Reads the rows' keys into `into`. Absent keys leave their field as it is; required ones (fallback ==
 * conf_required) that are absent from a present group are a problem. */
void conf_read(struct conf_group *group, const struct conf_row *rows, size_t count, void *into);

/* The nested group of that name; absent (setting == NULL) when there is none or it is not a group. */
struct conf_group conf_child(struct conf_group *group, const char *name);

/* How many groups the list `name = ( {...}, {...} )` holds; 0 when absent. Not a list: a problem, and 0. */
size_t conf_items(struct conf_group *group, const char *name);

/* Item i of that list as a group called `noun "its name"`; absent when it is not a group (a problem). */
struct conf_group conf_item(struct conf_group *group, const char *name, size_t i, const char *noun);

/* Reports every key of the group that no call above asked for, with the nearest known name. */
void conf_end(struct conf_group *group);

/* The group's own keys, for groups whose names the operator chooses: NULL after the last one. The name lives
 * as long as the conf. */
const char *conf_key(const struct conf_group *group, size_t i);

bool conf_has(const struct conf_group *group, const char *key);

/* The line of a key in its own file, or of the group itself when key is NULL or absent; 0 when absent. */
int conf_line(const struct conf_group *group, const char *key);

/* Adds a problem at that place; the text is preceded by "KEY in WHAT: ". key may be NULL. */
void conf_problem(const struct conf_group *group, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
