/* SPDX-License-Identifier: PostgreSQL
 * rows - a growing buffer of DataRow messages, for the console's answers. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rows {
    unsigned char *bytes;
    size_t used, room;
    size_t open;       /* offset of the row being built */
    uint16_t columns;  /* in it so far */
    size_t count;
    uint32_t binary;   /* bit i: the number in column i is written in binary, as int8 */
    bool failed;       /* memory ran out: the answer is an error */
};

void rows_begin(struct rows *rows);
void rows_text(struct rows *rows, const char *text); /* NULL is SQL NULL */
void rows_number(struct rows *rows, uint64_t number);
void rows_format(struct rows *rows, const char *format, ...) __attribute__((format(printf, 2, 3)));
void rows_end(struct rows *rows);
void rows_free(struct rows *rows);
