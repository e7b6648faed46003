/* SPDX-License-Identifier: PostgreSQL
 * clock - monotonic time in microseconds, so that a jump of the wall clock ends no session. */
#include "gateway/base/clock.h"

#include <time.h>

uint64_t clock_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}
