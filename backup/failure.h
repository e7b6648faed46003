/* SPDX-License-Identifier: PostgreSQL
 * failure - the ways a command can end badly, their exit codes, and what PostgreSQL's programs mean by their
 * texts. */
#pragma once

#include <stdbool.h>

#include "gateway/base/fault.h"

enum failure {
#define FAILURE(name, exit_code, sqlstate, meaning) FAILURE_##name,
#include "backup/failure.def"
#undef FAILURE
};

/* Like fault_set, with the SQLSTATE of the row. Always returns false. */
bool failure_set(struct fault *fault, enum failure failure, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A failed system call: errno decides between a full disk and other storage trouble. Always returns false.
 */
bool failure_storage(struct fault *fault, const char *doing, const char *path);

/* Keeps message and hint, but means another failure from now on. */
void failure_become(struct fault *fault, enum failure failure);

/* What a fault's SQLSTATE means here, whether a row or PostgreSQL itself chose it. */
enum failure failure_of(const struct fault *fault);
int failure_exit_code(const struct fault *fault);

/* Explains a program's or server's error text: fills the fault with "WHO: TEXT" on one line and the hint of
 * the first row of reasons.def that matches; `otherwise` when none does. Always returns false. */
bool failure_explain(struct fault *fault, enum failure otherwise, const char *who, const char *text);

/* The table of exit codes, for --help. */
void failure_print_exit_codes(void);
