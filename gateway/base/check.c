/* SPDX-License-Identifier: PostgreSQL
 * check - assertions that stay on in production: a broken invariant aborts with a backtrace. */
#include "gateway/base/check.h"

#include <execinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

_Noreturn void check_failed(const char *file, int line, const char *what)
{
    void *frames[32];

    fprintf(stderr, "CHECK failed at %s:%d: %s\n", file, line, what);
    backtrace_symbols_fd(frames, backtrace(frames, 32), STDERR_FILENO);
    abort();
}
