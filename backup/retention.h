/* SPDX-License-Identifier: PostgreSQL
 * retention - which backups of a job are kept: a pure function of the list, the rules and the date.
 *
 * Only backups that did not fail a verification count for a rule, so that bad ones never drive good ones
 * out. Days, weeks (from Monday), months and years are those of UTC. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum retained {
#define RETAINED(name, text) RETAINED_##name,
#include "backup/retention.def"
#undef RETAINED
    RETAINED_COUNT
};

/* The group `keep` of a job or repository. */
struct retention {
    bool given;
    int last, daily, weekly, monthly, yearly, minimum;
    uint64_t within; /* microseconds */
};

struct retention_item {
    int64_t time;     /* when the backup began, seconds since 1970 */
    int verified;     /* an enum verify_level, 0 = never */
    bool damaged;     /* its newest verification failed */
    unsigned reasons; /* set by retention_decide: bits 1 << enum retained; none = may go */
};

/* Fills in the reasons; items must be sorted by time, oldest first. */
void retention_decide(const struct retention *retention, struct retention_item *items, size_t count,
                      int64_t now);

/* The number of the day, week, month or year that a time lies in; equal numbers mean the same one. */
int64_t retention_period(enum retained kind, int64_t time);

/* The reasons as one text, separated by commas. */
void retention_text(unsigned reasons, char *text, size_t room);
