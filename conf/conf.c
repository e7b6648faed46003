/* SPDX-License-Identifier: PostgreSQL
 * conf - a table-driven reader of libconfig files, used by both programs. */
#include "conf/conf.h"

#include <libconfig.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/nearest.h"
#include "conf/session_state.h"
#include "conf/setting.h"
#include "conf/source.h"
#include "gateway/base/arena.h"
#include "gateway/base/check.h"

struct conf {
    struct arena *arena;
    struct problems *problems;
    const char *path;
    struct source source;
    config_t config;
};

/* The text of one line, trimmed and cut, so that a syntax error shows what it is about. */
static void line_text(const struct source *source, int at, char *text, size_t room)
{
    const char *line = source->text;
    size_t length;

    while (--at > 0 && (line = strchr(line, '\n')) != NULL)
        line++;
    if (line == NULL)
        line = "";
    line += strspn(line, " \t");
    length = strcspn(line, "\r\n");
    snprintf(text, room, "%.*s", length > 60 ? 60 : (int)length, line);
}

static void syntax_problem(struct conf *conf)
{
    const char *said = config_error_text(&conf->config);
    const char *file;
    char text[64];
    int at = config_error_line(&conf->config), line;

    source_where(&conf->source, at, &file, &line);
    line_text(&conf->source, at, text, sizeof text);
    if (said != NULL && strstr(said, "duplicate") != NULL)
        problems_add(conf->problems, file, line,
                     "a setting stands twice in one group, the second time at or before \"%s\"; keep one",
                     text);
    else
        problems_add(conf->problems, file, line,
                     "%s: expected settings such as `name = value;`, found trouble at or before \"%s\"; "
                     "check quotes, brackets and separators there",
                     said == NULL ? "syntax error" : said, text);
}

struct conf *conf_open(const char *path, struct arena *arena, struct problems *problems)
{
    struct conf *conf = calloc(1, sizeof *conf);

    CHECK(conf != NULL);
    conf->arena = arena;
    conf->problems = problems;
    conf->path = arena_string(arena, path);
    config_init(&conf->config);
    if (source_read(&conf->source, path, arena, problems)) {
        if (config_read_string(&conf->config, conf->source.text) == CONFIG_TRUE)
            return conf;
        syntax_problem(conf);
    }
    conf_close(conf);
    return NULL;
}

void conf_close(struct conf *conf)
{
    if (conf == NULL)
        return;
    config_destroy(&conf->config);
    source_free(&conf->source);
    free(conf);
}

struct conf_group conf_root(struct conf *conf)
{
    return (struct conf_group){ .conf = conf, .setting = config_root_setting(&conf->config), .what = "" };
}

static void group_expects(struct conf_group *group, const char *name)
{
    CHECK(group->known_count < CONF_KEYS_MAX);
    group->known[group->known_count++] = name;
}

static config_setting_t *group_member(const struct conf_group *group, const char *key)
{
    if (group->setting == NULL || key == NULL)
        return NULL;
    return config_setting_get_member(group->setting, key);
}

const char *conf_key(const struct conf_group *group, size_t i)
{
    const config_setting_t *setting;

    if (group->setting == NULL || i >= (size_t)config_setting_length(group->setting))
        return NULL;
    setting = config_setting_get_elem(group->setting, (unsigned)i);
    return config_setting_name(setting);
}

bool conf_has(const struct conf_group *group, const char *key)
{
    return group_member(group, key) != NULL;
}

int conf_line(const struct conf_group *group, const char *key)
{
    const config_setting_t *setting = group_member(group, key);
    const char *file;
    int line;

    if (setting == NULL)
        setting = group->setting;
    if (setting == NULL)
        return 0;
    source_where(&group->conf->source, (int)setting->line, &file, &line);
    return line;
}

static const char *conf_file(const struct conf_group *group, const char *key)
{
    const config_setting_t *setting = group_member(group, key);
    const char *file;
    int line;

    if (setting == NULL)
        setting = group->setting;
    if (setting == NULL || config_setting_is_root(setting))
        return group->conf->path;
    source_where(&group->conf->source, (int)setting->line, &file, &line);
    return file;
}

void conf_problem(const struct conf_group *group, const char *key, const char *format, ...)
{
    const bool whole_file =
        group->setting != NULL && config_setting_is_root(group->setting) && !conf_has(group, key);
    const char *in = key != NULL && *group->what != '\0' ? " in " : "";
    const char *separator = key != NULL || *group->what != '\0' ? ": " : "";
    char text[768];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    problems_add(group->conf->problems, conf_file(group, key), whole_file ? 0 : conf_line(group, key),
                 "%s%s%s%s%s", key == NULL ? "" : key, in, group->what, separator, text);
}

/* A relative path is meant beside the file that was opened, whatever directory the program runs in. */
static void path_resolve(const struct conf *conf, const char **path)
{
    const char *slash = strrchr(conf->path, '/');

    if (*path != NULL && **path != '\0' && **path != '/' && slash != NULL)
        *path = arena_format(conf->arena, "%.*s/%s", (int)(slash - conf->path), conf->path, *path);
}

static void row_read(struct conf_group *group, const struct conf_row *row, void *into)
{
    const config_setting_t *setting = group_member(group, row->name);
    char expected[512], found[128];

    if (setting == NULL) {
        if (row->fallback == conf_required)
            conf_problem(group, NULL, "`%s` is missing; give %s", row->name,
                         (row_expected(row, expected, sizeof expected), expected));
        return;
    }
    if (row->type == CONF_STATE && config_setting_is_group(setting)) {
        session_state_read(group, row->name, (void *)((char *)into + row->offset));
        return;
    }
    if (setting_to_row(setting, row, into, group->conf->arena)) {
        if (row->type == CONF_PATH)
            path_resolve(group->conf, (const char **)(void *)((char *)into + row->offset));
        return;
    }
    row_expected(row, expected, sizeof expected);
    setting_found(setting, found, sizeof found);
    conf_problem(group, row->name, "expected %s, found %s%s", expected, found, setting_advice(setting, row));
}

void conf_read(struct conf_group *group, const struct conf_row *rows, size_t count, void *into)
{
    for (size_t i = 0; i < count; i++) {
        group_expects(group, rows[i].name);
        if (group->setting != NULL)
            row_read(group, &rows[i], into);
    }
}

struct conf_group conf_child(struct conf_group *group, const char *name)
{
    config_setting_t *setting = group_member(group, name);
    struct conf_group child = { .conf = group->conf };
    const char *in = *group->what == '\0' ? "" : " in ";
    char found[128];

    group_expects(group, name);
    child.what = arena_format(group->conf->arena, "%s%s%s", name, in, group->what);
    if (setting == NULL)
        return child;
    if (config_setting_is_group(setting)) {
        child.setting = setting;
        return child;
    }
    setting_found(setting, found, sizeof found);
    conf_problem(group, name, "expected a group, such as %s = { ... };, found %s", name, found);
    return child;
}

size_t conf_items(struct conf_group *group, const char *name)
{
    const config_setting_t *setting = group_member(group, name);
    char found[128];

    group_expects(group, name);
    if (setting == NULL)
        return 0;
    if (config_setting_is_list(setting))
        return (size_t)config_setting_length(setting);
    setting_found(setting, found, sizeof found);
    conf_problem(group, name, "expected a list of groups, such as %s = ( { ... }, { ... } );, found %s", name,
                 found);
    return 0;
}

struct conf_group conf_item(struct conf_group *group, const char *name, size_t i, const char *noun)
{
    const config_setting_t *list = group_member(group, name);
    config_setting_t *setting = config_setting_get_elem(list, (unsigned)i);
    struct conf_group item = { .conf = group->conf, .setting = setting };
    const char *own_name = NULL;
    char found[128];

    CHECK(setting != NULL);
    item.what = arena_format(group->conf->arena, "%s %zu", noun, i + 1);
    if (!config_setting_is_group(setting)) {
        setting_found(setting, found, sizeof found);
        conf_problem(&item, NULL, "expected a group in braces, found %s", found);
        item.setting = NULL;
    } else if (config_setting_lookup_string(setting, "name", &own_name) == CONFIG_TRUE && *own_name != '\0') {
        item.what = arena_format(group->conf->arena, "%s \"%.64s\"", noun, own_name);
    }
    return item;
}

static bool group_knows(const struct conf_group *group, const char *name)
{
    for (size_t i = 0; i < group->known_count; i++)
        if (strcmp(group->known[i], name) == 0)
            return true;
    return false;
}

void conf_end(struct conf_group *group)
{
    int length = group->setting == NULL ? 0 : config_setting_length(group->setting);

    for (int i = 0; i < length; i++) {
        const config_setting_t *setting = config_setting_get_elem(group->setting, (unsigned)i);
        const char *key = config_setting_name(setting);
        const char *nearest;

        if (group_knows(group, key))
            continue;
        nearest = nearest_name(key, group->known, group->known_count);
        if (nearest != NULL)
            conf_problem(group, key, "unknown %s; did you mean \"%s\"?", setting_noun(setting), nearest);
        else
            conf_problem(group, key, "unknown %s; this version has no such name, remove it",
                         setting_noun(setting));
    }
}
