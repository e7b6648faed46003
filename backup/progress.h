/* SPDX-License-Identifier: PostgreSQL
 * progress - a bar on a terminal, a plain line every few seconds elsewhere; on standard error. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool terminal, quiet;
    char phase[96];
    uint64_t total_bytes; /* an estimate; 0 = unknown */
    uint64_t started_us, shown_us;
    bool drawn; /* the cursor stands behind a bar */
};

void progress_init(struct progress *progress, bool quiet);

/* Begins a phase such as "dumping app". Without a terminal it is told when it is done, or lasts for
 * seconds. */
void progress_phase(struct progress *progress, uint64_t total_bytes, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* May be called at every beat; draws when it is time. */
void progress_show(struct progress *progress, uint64_t bytes);

/* True when progress_show would draw, so that measuring may be left out otherwise. */
bool progress_is_due(const struct progress *progress);

/* Ends the phase: removes the bar and writes one line with bytes (0 = none to tell), time and rate. */
void progress_done(struct progress *progress, uint64_t bytes);

/* Removes the bar so that something else can be written. */
void progress_clear(struct progress *progress);
