/* SPDX-License-Identifier: PostgreSQL
 * schedule - whether a job must begin now: a pure function of its rules, of what was begun last, and of the
 * clock. */
#include "backup/schedule.h"

enum { CLOCK_TRUST = 3600 };

/* FNV-1a over the name and the time; any even spread would do. */
int64_t schedule_start(const struct schedule *schedule, int64_t due)
{
    uint64_t hash = 14695981039346656037u;

    if (schedule->jitter <= 0)
        return due;
    for (const char *at = schedule->job; *at != '\0'; at++)
        hash = (hash ^ (unsigned char)*at) * 1099511628211u;
    for (int i = 0; i < 8; i++)
        hash = (hash ^ ((uint64_t)due >> 8 * i & 0xff)) * 1099511628211u;
    return due + (int64_t)((hash >> 16) % (uint64_t)schedule->jitter);
}

int64_t schedule_next(const struct schedule *schedule, int64_t last_due)
{
    return cron_next(&schedule->cron, schedule->zone, last_due);
}

static bool is_due(const struct schedule *schedule, int64_t due, int64_t now)
{
    return due >= 0 && schedule_start(schedule, due) <= now;
}

/* A due time that is not far from the newest one, so that a job of every minute is not counted through years
 * in which the machine was off; last_due when nothing is due. */
static int64_t late_due(const struct schedule *schedule, int64_t last_due, int64_t now)
{
    for (int64_t back = 3600; now - back > last_due; back *= 8)
        if (is_due(schedule, schedule_next(schedule, now - back), now))
            return now - back;
    return last_due;
}

bool schedule_step(const struct schedule *schedule, int64_t *last_due, int64_t now)
{
    bool begin = false;
    int64_t due;

    if (*last_due == 0 || *last_due - now > CLOCK_TRUST)
        *last_due = now;
    due = schedule_next(schedule, *last_due);
    if (is_due(schedule, due, now))
        due = schedule_next(schedule, late_due(schedule, *last_due, now));
    for (; is_due(schedule, due, now); due = schedule_next(schedule, due)) {
        *last_due = due;
        begin = schedule->catch_up || now - schedule_start(schedule, due) < SCHEDULE_GRACE;
    }
    return begin;
}
