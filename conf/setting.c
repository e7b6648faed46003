/* SPDX-License-Identifier: PostgreSQL
 * setting - one libconfig setting as the value of a row, and as the words of an error. */
#include "conf/setting.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/arena.h"

static bool is_whole_number(const config_setting_t *setting)
{
    return config_setting_type(setting) == CONFIG_TYPE_INT ||
           config_setting_type(setting) == CONFIG_TYPE_INT64;
}

/* A scalar's text, in the arena when it had to be written; NULL for what is no scalar. */
static const char *scalar_text(const config_setting_t *setting, struct arena *arena)
{
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_STRING: return config_setting_get_string(setting);
    case CONFIG_TYPE_BOOL: return config_setting_get_bool(setting) ? "true" : "false";
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64: return arena_format(arena, "%lld", config_setting_get_int64(setting));
    case CONFIG_TYPE_FLOAT: return arena_format(arena, "%.15g", config_setting_get_float(setting));
    default: return NULL;
    }
}

static bool count_fits(const struct conf_row *row, size_t count)
{
    return (int64_t)count >= row->min && (int64_t)count <= row->max;
}

static bool list_item(const config_setting_t *setting, const struct conf_row *row, struct strings *list,
                      struct arena *arena)
{
    const char *text = scalar_text(setting, arena);

    if (text == NULL || (row->type == CONF_STRINGS && config_setting_type(setting) != CONFIG_TYPE_STRING))
        return false;
    list->items[list->count++] = arena_string(arena, text);
    return true;
}

static bool list_read(const config_setting_t *setting, const struct conf_row *row, struct strings *field,
                      struct arena *arena)
{
    bool many = config_setting_is_array(setting) || config_setting_is_list(setting);
    size_t count = many ? (size_t)config_setting_length(setting) : 1;
    struct strings list = { .items = arena_alloc(arena, (count + 1) * sizeof *list.items) };

    if (!count_fits(row, count))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!list_item(many ? config_setting_get_elem(setting, (unsigned)i) : setting, row, &list, arena))
            return false;
    *field = list;
    return true;
}

static bool pair_of_member(const config_setting_t *member, struct pair *pair, struct arena *arena)
{
    const char *text = scalar_text(member, arena);

    if (text == NULL)
        return false;
    pair->name = arena_string(arena, config_setting_name(member));
    pair->value = arena_string(arena, text);
    return true;
}

/* "name=value": libconfig's own names have no dots, PostgreSQL's settings may. */
static bool pair_of_text(const config_setting_t *item, struct pair *pair, struct arena *arena)
{
    const char *text = config_setting_get_string(item);
    const char *equals = text == NULL ? NULL : strchr(text, '=');

    if (equals == NULL || equals == text)
        return false;
    pair->name = arena_copy(arena, text, (size_t)(equals - text));
    pair->value = arena_string(arena, equals + 1);
    return true;
}

static bool pairs_read(const config_setting_t *setting, const struct conf_row *row, struct pairs *field,
                       struct arena *arena)
{
    size_t count = (size_t)config_setting_length(setting);
    struct pairs pairs = { .items = arena_alloc(arena, (count + 1) * sizeof *pairs.items), .count = count };
    bool group = config_setting_is_group(setting);

    if (!config_setting_is_aggregate(setting) || !count_fits(row, count))
        return false;
    for (size_t i = 0; i < count; i++) {
        const config_setting_t *member = config_setting_get_elem(setting, (unsigned)i);

        if (!(group ? pair_of_member : pair_of_text)(member, &pairs.items[i], arena))
            return false;
    }
    *field = pairs;
    return true;
}

bool setting_to_row(const config_setting_t *setting, const struct conf_row *row, void *into,
                    struct arena *arena)
{
    void *field = (char *)into + row->offset;
    int type = config_setting_type(setting);

    switch (row->type) {
    case CONF_STRINGS:
    case CONF_TEXTS: return list_read(setting, row, field, arena);
    case CONF_PAIRS: return pairs_read(setting, row, field, arena);
    case CONF_INT:
        if (!is_whole_number(setting))
            return false;
        break;
    case CONF_BOOL:
        if (type != CONFIG_TYPE_BOOL)
            return false;
        break;
    case CONF_DURATION:
    case CONF_SIZE:
    case CONF_STRING:
    case CONF_WORD:
    case CONF_PATH:
    case CONF_ENUM:
    case CONF_STATE:
        if (type != CONFIG_TYPE_STRING)
            return false;
        break;
    }
    return row_from_text(row, scalar_text(setting, arena), into, arena);
}

void setting_found(const config_setting_t *setting, char *text, size_t room)
{
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_GROUP: snprintf(text, room, "a group"); return;
    case CONFIG_TYPE_LIST: snprintf(text, room, "a list of %d", config_setting_length(setting)); return;
    case CONFIG_TYPE_ARRAY: snprintf(text, room, "an array of %d", config_setting_length(setting)); return;
    case CONFIG_TYPE_BOOL:
        snprintf(text, room, "%s", config_setting_get_bool(setting) ? "true" : "false");
        return;
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        snprintf(text, room, "the number %lld", config_setting_get_int64(setting));
        return;
    case CONFIG_TYPE_FLOAT: snprintf(text, room, "the number %g", config_setting_get_float(setting)); return;
    case CONFIG_TYPE_STRING:
        snprintf(text, room, "the string \"%.80s\"", config_setting_get_string(setting));
        return;
    default: snprintf(text, room, "nothing"); return;
    }
}

const char *setting_advice(const config_setting_t *setting, const struct conf_row *row)
{
    int type = config_setting_type(setting);

    if ((row->type == CONF_INT || row->type == CONF_BOOL) && type == CONFIG_TYPE_STRING)
        return "; write it without quotes";
    if ((row->type == CONF_DURATION || row->type == CONF_SIZE) && is_whole_number(setting))
        return "; add the unit and quotes";
    if (row->type == CONF_PAIRS && config_setting_is_group(setting))
        return " that holds more than plain values; give each name one value";
    return "";
}

const char *setting_noun(const config_setting_t *setting)
{
    return config_setting_is_group(setting) || config_setting_is_list(setting) ? "group" : "setting";
}
