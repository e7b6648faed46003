/* SPDX-License-Identifier: PostgreSQL
 * fault - an expected error: SQLSTATE, a finished sentence, and what to do about it. */
#include "gateway/base/fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool fault_set(struct fault *fault, const char *sqlstate, const char *format, ...)
{
    va_list args;

    memcpy(fault->sqlstate, sqlstate, 5);
    fault->sqlstate[5] = '\0';
    fault->hint[0] = '\0';
    va_start(args, format);
    vsnprintf(fault->message, sizeof fault->message, format, args);
    va_end(args);
    return false;
}

bool fault_hint(struct fault *fault, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(fault->hint, sizeof fault->hint, format, args);
    va_end(args);
    return false;
}
