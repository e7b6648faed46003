/* SPDX-License-Identifier: PostgreSQL
 * fault - an expected error: SQLSTATE, a finished sentence, and what to do about it. */
#pragma once

#include <stdbool.h>

/* Filled by the function that failed; the caller owns it (usually on its stack). */
struct fault {
    char sqlstate[6];
    char message[512];
    char hint[256];
};

/* Records sqlstate and a formatted sentence (cut at the buffer's end); clears the hint.
 * Always returns false, so that a failing function can `return fault_set(...)`. */
bool fault_set(struct fault *fault, const char *sqlstate, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Adds the HINT line. Always returns false. */
bool fault_hint(struct fault *fault, const char *format, ...) __attribute__((format(printf, 2, 3)));
