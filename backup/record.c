/* SPDX-License-Identifier: PostgreSQL
 * record - structs to JSON objects and back, by a table of their fields. */
#include "backup/record.h"

#include <string.h>

#include "backup/failure.h"
#include "gateway/base/arena.h"

enum { ITEMS_MAX = 10000000 };

static json_t *field_encode(const struct record_field *field, const void *from)
{
    const void *at = (const char *)from + field->offset;

    switch (field->kind) {
    case RECORD_TEXT:
    case RECORD_OPTIONAL: {
        const char *text = *(const char *const *)at;

        return text == NULL ? json_null() : json_string(text);
    }
    case RECORD_INTEGER: return json_integer(*(const int64_t *)at);
    case RECORD_BOOL: return json_boolean(*(const bool *)at);
    }
    return NULL;
}

bool record_put(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) == 0;
}

json_t *record_encode(const struct record *record, const void *from)
{
    json_t *object = json_object();

    for (size_t i = 0; i < record->field_count; i++) {
        if (record_put(object, record->fields[i].key, field_encode(&record->fields[i], from)))
            continue;
        json_decref(object);
        return NULL;
    }
    return object;
}

static bool field_decode(const struct record_field *field, const json_t *value, void *into,
                         struct arena *arena)
{
    void *at = (char *)into + field->offset;

    switch (field->kind) {
    case RECORD_TEXT:
    case RECORD_OPTIONAL:
        /* A NUL inside would cut a name short and so point elsewhere. */
        if (json_is_string(value) && strlen(json_string_value(value)) == json_string_length(value))
            *(const char **)at = arena_string(arena, json_string_value(value));
        else if ((value == NULL || json_is_null(value)) && field->kind == RECORD_OPTIONAL)
            *(const char **)at = NULL;
        else
            return false;
        return true;
    case RECORD_INTEGER: *(int64_t *)at = json_integer_value(value); return json_is_integer(value);
    case RECORD_BOOL: *(bool *)at = json_is_true(value); return json_is_boolean(value);
    }
    return false;
}

bool record_decode(const struct record *record, const json_t *object, void *into, struct arena *arena,
                   struct fault *fault)
{
    for (size_t i = 0; i < record->field_count; i++) {
        const struct record_field *field = &record->fields[i];

        if (!field_decode(field, json_object_get(object, field->key), into, arena))
            return failure_set(fault, FAILURE_VERIFY,
                               "The key \"%s\" of a %s is missing or of the wrong type.", field->key,
                               record->noun);
    }
    return true;
}

json_t *records_encode(const struct record *record, const void *items, size_t count)
{
    json_t *array = json_array();

    for (size_t i = 0; i < count; i++) {
        if (json_array_append_new(array, record_encode(record, (const char *)items + i * record->size)) == 0)
            continue;
        json_decref(array);
        return NULL;
    }
    return array;
}

void *records_decode(const struct record *record, const json_t *array, size_t *count, struct arena *arena,
                     struct fault *fault)
{
    char *items;

    *count = json_array_size(array);
    if (!json_is_array(array) || *count > ITEMS_MAX) {
        failure_set(fault, FAILURE_VERIFY, "Expected a list of at most %d items, each a %s.", ITEMS_MAX,
                    record->noun);
        return NULL;
    }
    items = arena_alloc(arena, (*count + 1) * record->size);
    for (size_t i = 0; i < *count; i++)
        if (!record_decode(record, json_array_get(array, i), items + i * record->size, arena, fault))
            return NULL;
    return items;
}
