/* SPDX-License-Identifier: PostgreSQL
 * zone - a time zone by name, by the C library; for the runner's one thread that reads the clock. */
#include "backup/zone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "gateway/base/check.h"

enum { DAY = 86400 };

bool zone_is_known(const char *zone)
{
    char path[256];
    struct stat stat_of;

    if (strcmp(zone, "UTC") == 0)
        return true;
    if (strchr(zone, ',') != NULL)
        return zone[0] != ':' && zone[0] != ',' && strpbrk(zone, "0123456789") != NULL;
    if (zone[0] == '/' || zone[0] == ':' || zone[0] == '.' || strstr(zone, "..") != NULL)
        return false;
    snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", zone);
    return zone[0] != '\0' && stat(path, &stat_of) == 0 && S_ISREG(stat_of.st_mode);
}

/* Makes it the C library's, when it is not yet. */
static void zone_set(const char *zone)
{
    static const char *own; /* what TZ was when the runner began */
    static bool begun;
    const char *now = getenv("TZ");

    if (!begun && now != NULL)
        CHECK((own = strdup(now)) != NULL);
    if (zone == NULL)
        zone = own;
    if (begun && (zone == NULL) == (now == NULL) && (zone == NULL || strcmp(zone, now) == 0))
        return;
    begun = true;
    CHECK((zone == NULL ? unsetenv("TZ") : setenv("TZ", zone, 1)) == 0);
    tzset();
}

void zone_local(const char *zone, int64_t time, struct tm *local)
{
    time_t seconds = (time_t)time;

    zone_set(zone);
    CHECK(localtime_r(&seconds, local) != NULL);
}

static int64_t offset_at(const char *zone, int64_t time)
{
    struct tm local;

    zone_local(zone, time, &local);
    return local.tm_gmtoff;
}

/* The clocks change at most once between the two. */
static int64_t change_find(const char *zone, int64_t before, int64_t after)
{
    int64_t offset = offset_at(zone, before);

    while (after - before > 1) {
        int64_t middle = before + (after - before) / 2;

        if (offset_at(zone, middle) == offset)
            before = middle;
        else
            after = middle;
    }
    return after;
}

int64_t zone_first(const char *zone, const struct tm *local)
{
    struct tm fields = { .tm_year = local->tm_year,
                         .tm_mon = local->tm_mon,
                         .tm_mday = local->tm_mday,
                         .tm_hour = local->tm_hour,
                         .tm_min = local->tm_min };
    int64_t shown = (int64_t)timegm(&fields);
    int64_t early = offset_at(zone, shown - DAY), late = offset_at(zone, shown + DAY);

    if (offset_at(zone, shown - early) == early)
        return shown - early;
    if (offset_at(zone, shown - late) == late)
        return shown - late;
    return change_find(zone, shown - DAY, shown + DAY);
}
