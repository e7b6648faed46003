/* SPDX-License-Identifier: PostgreSQL
 * rows - a growing buffer of DataRow messages. */
#include "gateway/admin/rows.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put(struct rows *rows, const void *bytes, size_t length)
{
    size_t room = rows->room == 0 ? 4096 : rows->room;
    unsigned char *wider;

    while (room - rows->used < length)
        room *= 2;
    if (room > rows->room) {
        wider = rows->failed ? NULL : realloc(rows->bytes, room);
        if (wider == NULL) {
            rows->failed = true;
            return;
        }
        rows->bytes = wider;
        rows->room = room;
    }
    memcpy(rows->bytes + rows->used, bytes, length);
    rows->used += length;
}

static void set_u32(unsigned char *at, uint32_t value)
{
    at[0] = (unsigned char)(value >> 24);
    at[1] = (unsigned char)(value >> 16);
    at[2] = (unsigned char)(value >> 8);
    at[3] = (unsigned char)value;
}

void rows_begin(struct rows *rows)
{
    rows->open = rows->used;
    rows->columns = 0;
    put(rows, "D\0\0\0\0\0\0", 7);
}

void rows_text(struct rows *rows, const char *text)
{
    unsigned char length[4];

    set_u32(length, text == NULL ? UINT32_MAX : (uint32_t)strlen(text));
    put(rows, length, sizeof length);
    if (text != NULL)
        put(rows, text, strlen(text));
    rows->columns++;
}

void rows_number(struct rows *rows, uint64_t number)
{
    unsigned char binary[12] = {0, 0, 0, 8};

    if (rows->columns >= 32 || (rows->binary & 1u << rows->columns) == 0) {
        rows_format(rows, "%llu", (unsigned long long)number);
        return;
    }
    set_u32(binary + 4, (uint32_t)(number >> 32));
    set_u32(binary + 8, (uint32_t)number);
    put(rows, binary, sizeof binary);
    rows->columns++;
}

void rows_format(struct rows *rows, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    rows_text(rows, text);
}

void rows_end(struct rows *rows)
{
    unsigned char *row = rows->bytes + rows->open;

    if (rows->failed)
        return;
    set_u32(row + 1, (uint32_t)(rows->used - rows->open - 1));
    row[5] = (unsigned char)(rows->columns >> 8);
    row[6] = (unsigned char)rows->columns;
    rows->count++;
}

void rows_free(struct rows *rows)
{
    free(rows->bytes);
    memset(rows, 0, sizeof *rows);
}
