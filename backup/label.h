/* SPDX-License-Identifier: PostgreSQL
 * label - the name of a backup, such as 20261121T032605Z-nightly-L: when, which job, L for logical or F for a
 * full physical one. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { LABEL_BYTES = 64, JOB_NAME_MAX = 32 };
enum { LABEL_LOGICAL = 'L', LABEL_PHYSICAL = 'F' };

/* Writes the label of a backup of the job that started then (seconds since 1970). */
void label_make(char label[LABEL_BYTES], const char *job, char kind, int64_t started);

/* True for letters, digits, '.', '_' and '-', not starting with '.' or '-': safe as a file name and as an
 * object key. */
bool label_is_name(const char *name, unsigned max_length);

/* True for what label_make could have written; nothing else is ever used as a path. */
bool label_is_valid(const char *label);

/* The kind that stands at the end of a valid label. */
char label_kind(const char *label);
