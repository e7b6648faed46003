/* SPDX-License-Identifier: PostgreSQL
 * check - assertions that stay on in production: a broken invariant aborts with a backtrace. */
#pragma once

/* Prints file, line, the failed expression and a backtrace to stderr, then aborts. Never returns. */
_Noreturn void check_failed(const char *file, int line, const char *what);

#define CHECK(condition) ((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition))
#define UNREACHABLE() check_failed(__FILE__, __LINE__, "unreachable")
