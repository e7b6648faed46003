/* SPDX-License-Identifier: PostgreSQL
 * zone - a time zone by name, by the C library; for the runner's one thread that reads the clock.
 *
 * The library knows one zone at a time, and changing it is slow, so the one that was asked for last stays
 * set: nothing else in the runner asks for local time. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* True for "Europe/Berlin" and its like when the machine has that file, for "UTC", and for rules as POSIX
 * writes them ("CET-1CEST,M3.5.0,M10.5.0/3"). The C library would take an unknown name for UTC. */
bool zone_is_known(const char *zone);

/* What the clocks show at that second; zone NULL = the machine's own. */
void zone_local(const char *zone, int64_t time, struct tm *local);

/* The second at which the clocks first show these fields (tm_year to tm_min; seconds are 0). When they are
 * skipped, the second of the change. */
int64_t zone_first(const char *zone, const struct tm *local);
