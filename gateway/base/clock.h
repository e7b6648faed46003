/* SPDX-License-Identifier: PostgreSQL
 * clock - monotonic time in microseconds, so that a jump of the wall clock ends no session. */
#pragma once

#include <stdint.h>

uint64_t clock_now_us(void);
