/* SPDX-License-Identifier: PostgreSQL
 * cron - when something is due: five fields as in crontab(5), @daily and its like, or "every 6h".
 *
 * A time of day that the clocks skip is due at the second of the change; one that they show twice is due the
 * first time. When every hour is meant, each hour that passes counts, however the clocks call it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cron {
    uint64_t minutes;                          /* bit n = minute n; likewise below */
    uint32_t hours, days, months, weekdays;    /* days from 1, months from 1, weekdays from Sunday = 0 */
    bool any_day, any_weekday;                 /* written as *: then only the other one decides */
    int64_t every;                             /* seconds, counted from 1970 in UTC; 0 = by the fields */
};

/* False with a sentence on what was expected and found in `why`. */
bool cron_parse(const char *text, struct cron *cron, char *why, size_t room);

/* The first due second after `after` in the zone (NULL = the machine's); -1 when there is none within nine
 * years. */
int64_t cron_next(const struct cron *cron, const char *zone, int64_t after);
