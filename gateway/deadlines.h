/* SPDX-License-Identifier: PostgreSQL
 * deadlines - the time limits of logged-in sessions: query_timeout, transaction_timeout,
 * idle_transaction_timeout, client_idle_timeout; and who is reported as a leak. Run by the worker's sweep,
 * ten times a second. */
#pragma once

#include <stdint.h>

struct worker;

/* Ends what has taken too long. */
void deadlines_sweep(struct worker *worker, uint64_t now_us);
