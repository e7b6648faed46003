/* SPDX-License-Identifier: PostgreSQL
 * retention - which backups of a job are kept: a pure function of the list, the rules and the date. */
#include "backup/retention.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "backup/options.h"
#include "gateway/base/check.h"

enum { DAY = 86400, MONDAY = 4 }; /* the first Monday of 1970 was the fifth day */

static const char *const texts[] = {
#define RETAINED(name, text) [RETAINED_##name] = text,
#include "backup/retention.def"
#undef RETAINED
};

static int64_t floor_divide(int64_t number, int64_t by)
{
    return number / by - (number % by < 0);
}

int64_t retention_period(enum retained kind, int64_t time)
{
    int64_t day = floor_divide(time, DAY);
    time_t seconds = (time_t)time;
    struct tm utc;

    CHECK(gmtime_r(&seconds, &utc) != NULL);
    return kind == RETAINED_DAILY     ? day
           : kind == RETAINED_WEEKLY  ? floor_divide(day - MONDAY, 7)
           : kind == RETAINED_MONTHLY ? (int64_t)utc.tm_year * 12 + utc.tm_mon
                                      : utc.tm_year;
}

static void keep(struct retention_item *item, enum retained why)
{
    item->reasons |= 1u << why;
}

static bool counts(const struct retention_item *item, int64_t now)
{
    return !item->damaged && item->time <= now;
}

/* The newest `number` that count. */
static void keep_newest(struct retention_item *items, size_t count, int number, int64_t now,
                        enum retained why)
{
    for (size_t i = count; i-- > 0 && number > 0;)
        if (counts(&items[i], now)) {
            keep(&items[i], why);
            number--;
        }
}

/* The newest of each of the newest `number` periods that have one. */
static void keep_periods(struct retention_item *items, size_t count, int number, int64_t now,
                         enum retained why)
{
    int64_t previous = INT64_MAX;

    for (size_t i = count; i-- > 0 && number > 0;) {
        int64_t period = retention_period(why, items[i].time);

        if (!counts(&items[i], now) || period == previous)
            continue;
        keep(&items[i], why);
        previous = period;
        number--;
    }
}

/* A better proof is not given up for a newer weaker one. */
static void keep_verified(struct retention_item *items, size_t count)
{
    int best = VERIFY_NONE;

    for (size_t i = count; i-- > 0;)
        if (!items[i].damaged && items[i].verified > best) {
            keep(&items[i], RETAINED_VERIFIED);
            best = items[i].verified;
        }
}

static void keep_damaged(struct retention_item *items, size_t count)
{
    for (size_t i = count; i-- > 0 && (items[i].damaged || items[i].verified == VERIFY_NONE);)
        if (items[i].damaged)
            keep(&items[i], RETAINED_DAMAGED);
}

void retention_decide(const struct retention *retention, struct retention_item *items, size_t count,
                      int64_t now)
{
    int64_t within = (int64_t)(retention->within / 1000000);

    for (size_t i = 0; i < count; i++) {
        CHECK(i == 0 || items[i - 1].time <= items[i].time);
        items[i].reasons = 0;
        if (!retention->given)
            keep(&items[i], RETAINED_FOREVER);
        if (items[i].time > now)
            keep(&items[i], RETAINED_FUTURE);
        else if (!items[i].damaged && now - items[i].time < within)
            keep(&items[i], RETAINED_WITHIN);
    }
    keep_newest(items, count, retention->last, now, RETAINED_LAST);
    keep_newest(items, count, retention->minimum, now, RETAINED_MINIMUM);
    keep_periods(items, count, retention->daily, now, RETAINED_DAILY);
    keep_periods(items, count, retention->weekly, now, RETAINED_WEEKLY);
    keep_periods(items, count, retention->monthly, now, RETAINED_MONTHLY);
    keep_periods(items, count, retention->yearly, now, RETAINED_YEARLY);
    keep_verified(items, count);
    keep_damaged(items, count);
}

void retention_text(unsigned reasons, char *text, size_t room)
{
    size_t used = 0;

    text[0] = '\0';
    for (int i = 0; i < RETAINED_COUNT && used < room; i++)
        if ((reasons & 1u << i) != 0)
            used += (size_t)snprintf(text + used, room - used, "%s%s", used == 0 ? "" : ", ", texts[i]);
}
