/* SPDX-License-Identifier: PostgreSQL
 * record - structs to JSON objects and back, by a table of their fields. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct arena;
struct fault;

/* The comment names the field's C type. */
enum record_kind {
    RECORD_TEXT,     /* const char *, never NULL */
    RECORD_OPTIONAL, /* const char *; NULL is written as null, and absent is NULL too */
    RECORD_INTEGER,  /* int64_t */
    RECORD_BOOL      /* bool */
};

struct record_field {
    const char *key;
    enum record_kind kind;
    size_t offset;
};

/* A table of the fields of one struct. */
struct record {
    const char *noun; /* for errors: "database" */
    const struct record_field *fields;
    size_t field_count, size;
};

/* A new JSON object, owned by the caller; NULL when a text is not valid UTF-8. */
json_t *record_encode(const struct record *record, const void *from);

/* Fills `into`; unknown keys are left alone, absent or mistyped ones are faults. Texts are copied into the
 * arena. */
bool record_decode(const struct record *record, const json_t *object, void *into, struct arena *arena,
                   struct fault *fault);

/* The same for an array of `count` structs that lie one after the other. */
json_t *records_encode(const struct record *record, const void *items, size_t count);

/* The structs, in the arena (one at least, so that an empty array is not NULL); NULL with the fault set on
 * error. */
void *records_decode(const struct record *record, const json_t *array, size_t *count, struct arena *arena,
                     struct fault *fault);

/* Adds `value` (taken over, NULL spoils the object) under key; false when that failed. */
bool record_put(json_t *object, const char *key, json_t *value);
