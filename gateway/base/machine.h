/* SPDX-License-Identifier: PostgreSQL
 * machine - how much memory there is for this process, and how much it has. Source: proc(5), cgroups(7). */
#pragma once

#include <stdint.h>

/* Bytes that the machine has, or that the process's control group may use if that is less; 0: not known. */
int64_t machine_memory(void);

/* Bytes that the process has in memory now; 0: not known. */
int64_t machine_resident(void);
