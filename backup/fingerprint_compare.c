/* SPDX-License-Identifier: PostgreSQL
 * fingerprint_compare - two fingerprints side by side, and a fingerprint as JSON. */
#include "backup/fingerprint.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "backup/record.h"

#define FIELD(structure, kind, field) { #field, RECORD_##kind, offsetof(struct structure, field) }
#define RECORD(name, structure, rows)                                                                       \
    static const struct record name = { #structure, rows, sizeof rows / sizeof rows[0],                     \
                                        sizeof(struct structure) }

static const struct record_field table_fields[] = {
    FIELD(table_print, TEXT, schema),  FIELD(table_print, TEXT, name),     FIELD(table_print, TEXT, kind),
    FIELD(table_print, INTEGER, rows), FIELD(table_print, TEXT, checksum),
};
static const struct record_field sequence_fields[] = {
    FIELD(sequence_print, TEXT, schema),        FIELD(sequence_print, TEXT, name),
    FIELD(sequence_print, INTEGER, before),     FIELD(sequence_print, INTEGER, after),
    FIELD(sequence_print, BOOL, called_before), FIELD(sequence_print, BOOL, called_after),
    FIELD(sequence_print, BOOL, cycles),
};
static const struct record_field skipped_fields[] = {
    FIELD(skipped_print, TEXT, schema),
    FIELD(skipped_print, TEXT, name),
    FIELD(skipped_print, TEXT, why),
};
static const struct record_field object_fields[] = {
    FIELD(object_print, TEXT, kind),
    FIELD(object_print, INTEGER, count),
};
static const struct record_field print_fields[] = {
    FIELD(fingerprint, BOOL, has_large_objects),
    FIELD(fingerprint, INTEGER, large_objects),
    FIELD(fingerprint, TEXT, large_object_checksum),
};
RECORD(table_record, table_print, table_fields);
RECORD(sequence_record, sequence_print, sequence_fields);
RECORD(skipped_record, skipped_print, skipped_fields);
RECORD(object_record, object_print, object_fields);
RECORD(print_record, fingerprint, print_fields);

struct comparison {
    const char *database;
    void (*report)(void *context, bool fatal, const char *sentence);
    void *context;
    size_t fatal_count;
};

static void __attribute__((format(printf, 3, 4)))
difference(struct comparison *comparison, bool fatal, const char *format, ...)
{
    char sentence[700];
    int length = snprintf(sentence, sizeof sentence, "%s: ", comparison->database);
    va_list args;

    va_start(args, format);
    vsnprintf(sentence + length, sizeof sentence - (size_t)length, format, args);
    va_end(args);
    comparison->fatal_count += fatal;
    comparison->report(comparison->context, fatal, sentence);
}

static int order(const char *schema, const char *name, const char *other_schema, const char *other_name)
{
    int by_schema = strcmp(schema, other_schema);

    return by_schema != 0 ? by_schema : strcmp(name, other_name);
}

static void table_compare(struct comparison *comparison, const struct table_print *expected,
                          const struct table_print *found)
{
    bool same = expected->rows == found->rows && strcmp(expected->checksum, found->checksum) == 0;
    bool derived = strcmp(expected->kind, "table") != 0;

    if (same)
        return;
    if (derived) /* a dump holds its definition only, and a restore computes it anew */
        difference(comparison, false,
                   "materialized view %s.%s was stale when dumped and came back refreshed.",
                   expected->schema, expected->name);
    else if (expected->rows != found->rows)
        difference(comparison, true,
                   "table %s.%s had %" PRId64 " rows in the snapshot and has %" PRId64 " restored.",
                   expected->schema, expected->name, expected->rows, found->rows);
    else
        difference(comparison, true, "table %s.%s has %" PRId64 " rows as before, but other contents.",
                   expected->schema, expected->name, expected->rows);
}

/* Both lists are sorted by PostgreSQL; the order is the same on both sides, but it may be any collation's,
 * so a missing one is looked for in the whole list. */
static const struct table_print *table_find(const struct fingerprint *print, size_t hint,
                                            const struct table_print *like)
{
    for (size_t i = 0; i < print->table_count; i++) {
        const struct table_print *table = &print->tables[(hint + i) % print->table_count];

        if (order(table->schema, table->name, like->schema, like->name) == 0)
            return table;
    }
    return NULL;
}

static void tables_compare(struct comparison *comparison, const struct fingerprint *expected,
                           const struct fingerprint *found)
{
    for (size_t i = 0; i < expected->table_count; i++) {
        const struct table_print *table = table_find(found, i, &expected->tables[i]);

        if (table != NULL)
            table_compare(comparison, &expected->tables[i], table);
        else
            difference(comparison, true, "%s %s.%s is missing from the restored copy.",
                       expected->tables[i].kind, expected->tables[i].schema, expected->tables[i].name);
    }
    for (size_t i = 0; i < found->table_count; i++)
        if (table_find(expected, i, &found->tables[i]) == NULL)
            difference(comparison, true, "%s %s.%s is in the restored copy, but was not in the snapshot.",
                       found->tables[i].kind, found->tables[i].schema, found->tables[i].name);
}

static bool sequence_fits(const struct sequence_print *expected, const struct sequence_print *found)
{
    int64_t low = expected->before < expected->after ? expected->before : expected->after;
    int64_t high = expected->before < expected->after ? expected->after : expected->before;

    if (low == high && expected->called_before == expected->called_after)
        return found->after == low && found->called_after == expected->called_after;
    return expected->cycles || (found->after >= low && found->after <= high);
}

static void sequences_compare(struct comparison *comparison, const struct fingerprint *expected,
                              const struct fingerprint *found)
{
    if (expected->sequence_count != found->sequence_count)
        difference(comparison, true, "there were %zu sequences in the snapshot and there are %zu restored.",
                   expected->sequence_count, found->sequence_count);
    for (size_t i = 0; i < expected->sequence_count; i++) {
        const struct sequence_print *before = &expected->sequences[i], *after = NULL;

        for (size_t k = 0; k < found->sequence_count && after == NULL; k++) {
            const struct sequence_print *at = &found->sequences[(i + k) % found->sequence_count];

            if (order(at->schema, at->name, before->schema, before->name) == 0)
                after = at;
        }
        if (after == NULL)
            difference(comparison, true, "sequence %s.%s is missing from the restored copy.", before->schema,
                       before->name);
        else if (!sequence_fits(before, after))
            difference(comparison, true,
                       "sequence %s.%s stood at %" PRId64 " to %" PRId64
                       " during the dump and stands at %" PRId64 " restored.",
                       before->schema, before->name, before->before, before->after, after->after);
    }
}

static void rest_compare(struct comparison *comparison, const struct fingerprint *expected,
                         const struct fingerprint *found)
{
    for (size_t i = 0; i < expected->object_count && i < found->object_count; i++)
        if (expected->objects[i].count != found->objects[i].count)
            difference(comparison, true,
                       "there were %" PRId64 " %s in the snapshot and there are %" PRId64 " restored.",
                       expected->objects[i].count, expected->objects[i].kind, found->objects[i].count);
    if (!expected->has_large_objects)
        difference(comparison, false,
                   "large objects were not compared; the role could not read pg_largeobject.");
    else if (expected->large_objects != found->large_objects)
        difference(comparison, true,
                   "there were %" PRId64 " large objects and there are %" PRId64 " restored.",
                   expected->large_objects, found->large_objects);
    else if (strcmp(expected->large_object_checksum, found->large_object_checksum) != 0)
        difference(comparison, true, "%" PRId64 " large objects as before, but other contents.",
                   expected->large_objects);
}

size_t fingerprint_compare(const struct fingerprint *expected, const struct fingerprint *found,
                           const char *database,
                           void (*report)(void *context, bool fatal, const char *sentence), void *context)
{
    struct comparison comparison = { .database = database, .report = report, .context = context };

    tables_compare(&comparison, expected, found);
    sequences_compare(&comparison, expected, found);
    rest_compare(&comparison, expected, found);
    return comparison.fatal_count;
}

json_t *fingerprint_encode(const struct fingerprint *print)
{
    json_t *object = record_encode(&print_record, print);

    if (object != NULL &&
        record_put(object, "tables", records_encode(&table_record, print->tables, print->table_count)) &&
        record_put(object, "sequences",
                   records_encode(&sequence_record, print->sequences, print->sequence_count)) &&
        record_put(object, "not_compared",
                   records_encode(&skipped_record, print->skipped, print->skipped_count)) &&
        record_put(object, "objects", records_encode(&object_record, print->objects, print->object_count)))
        return object;
    json_decref(object);
    return NULL;
}

bool fingerprint_decode(const json_t *object, struct fingerprint *print, struct arena *arena,
                        struct fault *fault)
{
    if (!record_decode(&print_record, object, print, arena, fault))
        return false;
    print->tables =
        records_decode(&table_record, json_object_get(object, "tables"), &print->table_count, arena, fault);
    print->sequences = records_decode(&sequence_record, json_object_get(object, "sequences"),
                                      &print->sequence_count, arena, fault);
    print->skipped = records_decode(&skipped_record, json_object_get(object, "not_compared"),
                                    &print->skipped_count, arena, fault);
    print->objects = records_decode(&object_record, json_object_get(object, "objects"), &print->object_count,
                                    arena, fault);
    return print->tables != NULL && print->sequences != NULL && print->skipped != NULL &&
           print->objects != NULL;
}
