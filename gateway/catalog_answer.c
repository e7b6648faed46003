/* SPDX-License-Identifier: PostgreSQL
 * catalog_answer - rows of text: what kind, whose, what, and for sources the language. See catalog_query. */
#include "gateway/catalog_answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/session/routines.h"
#include "gateway/session/routines_make.h"
#include "gateway/wire/fields.h"
#include "gateway/wire/frame.h"

enum { ROWS_MAX = 1000000, BYTES_MAX = 64 * 1024 * 1024, MESSAGE_MAX = 4 * 1024 * 1024, COLUMNS = 4,
       CONNECTIONS_MAX = 1000000 };

struct column {
    const char *text; /* NULL: NULL in SQL; not terminated by a NUL */
    size_t length;
};

void reading_open(struct reading *reading)
{
    memset(reading, 0, sizeof *reading);
    reading->maker = maker_new();
    if (reading->maker == NULL)
        reading_fail(reading, "53200", "out of memory");
}

void reading_close(struct reading *reading)
{
    if (reading->maker != NULL)
        maker_free(reading->maker);
    reading->maker = NULL;
}

void reading_fail(struct reading *reading, const char *sqlstate, const char *why)
{
    if (!reading->failed)
        fault_set(&reading->fault, sqlstate, "%s", why);
    reading->failed = true;
}

const struct fault *reading_fault(const struct reading *reading)
{
    return reading->failed ? &reading->fault : NULL;
}

static bool row_columns(const unsigned char *body, size_t size, struct column columns[COLUMNS])
{
    struct reader r;

    reader_init(&r, body, size);
    if (reader_u16(&r) != COLUMNS)
        return false;
    for (int i = 0; i < COLUMNS; i++) {
        uint32_t length = reader_u32(&r);

        columns[i].text = length == UINT32_MAX ? NULL : reader_bytes(&r, length);
        columns[i].length = length == UINT32_MAX ? 0 : length;
    }
    return !r.bad && reader_left(&r) == 0;
}

/* A name of the catalogs is never longer than 63 bytes of them; one that is was not written by PostgreSQL. */
static bool column_name(const struct column *column, char name[READING_FINGERPRINT_BYTES])
{
    if (column->text == NULL || column->length >= READING_FINGERPRINT_BYTES)
        return false;
    memcpy(name, column->text, column->length);
    name[column->length] = '\0';
    return true;
}

static bool column_number(const struct column *column, int *number)
{
    char text[READING_FINGERPRINT_BYTES], *end;
    long value;

    if (!column_name(column, text))
        return false;
    value = strtol(text, &end, 10);
    *number = (int)value;
    return end != text && *end == '\0' && value >= 0 && value <= CONNECTIONS_MAX;
}

static bool row_use(struct reading *reading, char kind, const struct column columns[COLUMNS])
{
    struct routines_maker *maker = reading->maker;
    char name[READING_FINGERPRINT_BYTES], other[READING_FINGERPRINT_BYTES];

    if (!column_name(&columns[1], name))
        return false;
    switch (kind) {
    case 'f':
        memcpy(reading->fingerprint, name, sizeof reading->fingerprint);
        return true;
    case 'c':
        return column_number(&columns[2], &reading->reserved) && column_number(&columns[3], &reading->in_use)
               && column_number(&columns[1], &reading->max_connections);
    case 'n':
        return maker_name(maker, name);
    case 'u':
        return column_name(&columns[2], other) && maker_uses(maker, name, other);
    case 'b':
        return column_name(&columns[2], other) && maker_uses_builtin(maker, name, other);
    case 's':
        return column_name(&columns[3], other)
               && maker_source(maker, name, other, columns[2].text, columns[2].length);
    default:
        return false;
    }
}

static bool on_row(struct reading *reading, const unsigned char *body, size_t size)
{
    struct column columns[COLUMNS];

    if (++reading->rows > ROWS_MAX) {
        reading_fail(reading, "54000", "the catalogs have more functions and views than are looked into");
        return false;
    }
    if (!row_columns(body, size, columns) || columns[0].length != 1)
        return false;
    if (reading->failed)
        return true;
    if (!row_use(reading, *columns[0].text, columns))
        reading_fail(reading, "54000", "there is more of it than is looked into, or memory ran out");
    return true;
}

static void on_error(struct reading *reading, const unsigned char *body, size_t size)
{
    struct error_fields fields;

    fields_error(body, size, &fields);
    reading_fail(reading, fields.sqlstate, fields.message);
}

static enum reading_result consider(struct reading *reading, char type, const unsigned char *body,
                                    size_t size)
{
    switch (type) {
    case 'D':
        return on_row(reading, body, size) ? READING_GOES_ON : READING_BROKEN;
    case 'E':
        on_error(reading, body, size);
        return READING_GOES_ON;
    case 'Z':
        return size == 1 && body[0] == 'I' ? READING_DONE : READING_BROKEN;
    case 'T':
    case 'C':
    case 'S':
    case 'N':
    case 'A':
        return READING_GOES_ON;
    default:
        return READING_BROKEN;
    }
}

enum reading_result reading_take(struct reading *reading, const unsigned char *bytes, size_t length,
                                 size_t *used)
{
    enum reading_result result = READING_GOES_ON;
    struct frame frame;

    while (result == READING_GOES_ON) {
        enum frame_result whole = frame_peek(bytes + *used, length - *used, &frame);

        if (whole == FRAME_BAD || (whole == FRAME_OK && frame.size > MESSAGE_MAX))
            return READING_BROKEN;
        if (whole == FRAME_SHORT || frame.size > length - *used)
            return READING_GOES_ON;
        reading->bytes += frame.size;
        if (reading->bytes > BYTES_MAX) {
            reading_fail(reading, "54000", "the sources of its functions are more than are looked into");
            return READING_BROKEN;
        }
        result = consider(reading, frame.type, bytes + *used + FRAME_HEADER_BYTES,
                          frame.size - FRAME_HEADER_BYTES);
        *used += frame.size;
    }
    return result;
}

struct routines *reading_finish(struct reading *reading, struct fault *fault)
{
    struct routines *routines = maker_finish(reading->maker);

    if (routines == NULL)
        fault_set(fault, "53200", "out of memory");
    return routines;
}
