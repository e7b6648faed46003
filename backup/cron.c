/* SPDX-License-Identifier: PostgreSQL
 * cron - when something is due: five fields as in crontab(5), @daily and its like, or "every 6h". */
#include "backup/cron.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "backup/zone.h"
#include "conf/row.h"
#include "gateway/base/check.h"

enum { MINUTE = 60, HOUR = 3600, DAY = 86400, YEARS = 9, NAME = 3 };

static const char months[] = "janfebmaraprmayjunjulaugsepoctnovdec";
static const char weekdays[] = "sunmontuewedthufrisat";

static const struct field {
    const char *noun;
    int min, max;
    const char *names; /* of three letters each, the first one means min; NULL = none */
} fields[] = {
    { "minute", 0, 59, NULL },  { "hour", 0, 23, NULL },       { "day of the month", 1, 31, NULL },
    { "month", 1, 12, months }, { "weekday", 0, 7, weekdays },
};

enum { FIELDS = sizeof fields / sizeof fields[0] };

static const struct {
    const char *word, *meaning;
} macros[] = {
    { "@hourly", "0 * * * *" },  { "@daily", "0 0 * * *" },  { "@midnight", "0 0 * * *" },
    { "@weekly", "0 0 * * 0" },  { "@monthly", "0 0 1 * *" }, { "@yearly", "0 0 1 1 *" },
    { "@annually", "0 0 1 1 *" },
};

/* A number or a name at *at, which is moved behind it; -1 for anything else. */
static int value_read(const struct field *field, const char **at)
{
    int value = 0, digits = 0;

    for (int i = 0; field->names != NULL && field->names[NAME * i] != '\0'; i++)
        if (strncasecmp(*at, field->names + NAME * i, NAME) == 0) {
            *at += NAME;
            return field->min + i;
        }
    for (; **at >= '0' && **at <= '9' && digits < 3; (*at)++, digits++)
        value = value * 10 + (**at - '0');
    return digits == 0 || value < field->min || value > field->max ? -1 : value;
}

/* "*", "5", "1-5", "mon-fri", each with a step but the single value: "0-30/10". */
static bool item_read(const struct field *field, const char *item, uint64_t *bits)
{
    int first = field->min, last = field->max, step = 1;
    bool single = false;

    if (*item == '*')
        item++;
    else {
        first = last = value_read(field, &item);
        single = *item != '-';
        if (!single) {
            item++;
            last = value_read(field, &item);
        }
    }
    if (*item == '/' && !single) {
        char *end;
        long number = strtol(item + 1, &end, 10);

        if (item[1] < '0' || item[1] > '9' || number < 1 || number > field->max)
            return false;
        step = (int)number;
        item = end;
    }
    if (*item != '\0' || first < 0 || last < first)
        return false;
    for (int value = first; value <= last; value += step)
        *bits |= (uint64_t)1 << value;
    return true;
}

static bool field_read(const struct field *field, char *text, uint64_t *bits, char *why, size_t room)
{
    char *rest = NULL;

    *bits = 0;
    for (char *item = strtok_r(text, ",", &rest); item != NULL; item = strtok_r(NULL, ",", &rest))
        if (!item_read(field, item, bits)) {
            snprintf(why, room, "\"%.40s\" is no %s, range or step from %d to %d", item, field->noun,
                     field->min, field->max);
            return false;
        }
    if (*bits != 0)
        return true;
    snprintf(why, room, "the %s is empty", field->noun);
    return false;
}

static bool fields_read(char *text, struct cron *cron, char *why, size_t room)
{
    uint64_t bits[FIELDS] = { 0 };
    char *rest = NULL, *word = strtok_r(text, " \t", &rest);
    int count = 0;

    for (; word != NULL && count < FIELDS; word = strtok_r(NULL, " \t", &rest), count++) {
        cron->any_day = count == 2 ? word[0] == '*' : cron->any_day;
        cron->any_weekday = count == 4 ? word[0] == '*' : cron->any_weekday;
        if (!field_read(&fields[count], word, &bits[count], why, room))
            return false;
    }
    if (count < FIELDS || word != NULL) {
        snprintf(why, room, "expected five fields (minute, hour, day, month, weekday), \"@daily\" or "
                            "\"every 6h\"");
        return false;
    }
    cron->minutes = bits[0];
    cron->hours = (uint32_t)bits[1];
    cron->days = (uint32_t)bits[2];
    cron->months = (uint32_t)bits[3];
    cron->weekdays = (uint32_t)((bits[4] | bits[4] >> 7) & 0x7f); /* Sunday is 0 and 7 */
    return true;
}

static bool every_read(const char *text, struct cron *cron, char *why, size_t room)
{
    uint64_t us;

    if (!duration_from_text(text, &us) || us < (uint64_t)MINUTE * 1000000 || us % 1000000 != 0) {
        snprintf(why, room, "\"every %.40s\" is no time of a minute or more, such as \"every 6h\"", text);
        return false;
    }
    cron->every = (int64_t)(us / 1000000);
    return true;
}

bool cron_parse(const char *text, struct cron *cron, char *why, size_t room)
{
    char copy[256];

    memset(cron, 0, sizeof *cron);
    if (strncmp(text, "every ", 6) == 0)
        return every_read(text + 6, cron, why, room);
    for (unsigned i = 0; i < sizeof macros / sizeof macros[0]; i++)
        if (strcmp(text, macros[i].word) == 0)
            text = macros[i].meaning;
    if (snprintf(copy, sizeof copy, "%s", text) >= (int)sizeof copy) {
        snprintf(why, room, "it is longer than %zu characters", sizeof copy - 1);
        return false;
    }
    if (!fields_read(copy, cron, why, room))
        return false;
    if (cron_next(cron, "UTC", 0) >= 0)
        return true;
    snprintf(why, room, "there is no such day");
    return false;
}

/* crontab(5): when both days are restricted, either is enough. */
static bool day_matches(const struct cron *cron, const struct tm *local)
{
    bool day = (cron->days >> local->tm_mday & 1) != 0;
    bool weekday = (cron->weekdays >> local->tm_wday & 1) != 0;

    if ((cron->months >> (local->tm_mon + 1) & 1) == 0)
        return false;
    return cron->any_day || cron->any_weekday ? day && weekday : day || weekday;
}

/* The first due second of that day after `after`; -1 when there is none. */
static int64_t day_next(const struct cron *cron, const char *zone, struct tm *day, int64_t after)
{
    for (day->tm_hour = 0; day->tm_hour < 24; day->tm_hour++)
        for (day->tm_min = 0; day->tm_min < 60; day->tm_min++) {
            int64_t due;

            if ((cron->hours >> day->tm_hour & 1) == 0 || (cron->minutes >> day->tm_min & 1) == 0)
                continue;
            due = zone_first(zone, day);
            if (due > after)
                return due;
        }
    return -1;
}

static int64_t next_by_day(const struct cron *cron, const char *zone, int64_t after)
{
    struct tm start;

    zone_local(zone, after, &start);
    for (int i = 0; i < YEARS * 366; i++) {
        /* The calendar is the same everywhere, so UTC counts the days. */
        struct tm day = { .tm_year = start.tm_year, .tm_mon = start.tm_mon, .tm_mday = start.tm_mday + i };
        time_t noon = timegm(&day);
        int64_t due = -1;

        CHECK(gmtime_r(&noon, &day) != NULL);
        if (day_matches(cron, &day))
            due = day_next(cron, zone, &day, after);
        if (due >= 0)
            return due;
    }
    return -1;
}

/* Every hour is meant: real minutes are looked at, one after another within the days that match. */
static int64_t next_by_minute(const struct cron *cron, const char *zone, int64_t after)
{
    int64_t end = after + (int64_t)YEARS * 366 * DAY;

    for (int64_t time = after - after % MINUTE + MINUTE; time < end;) {
        struct tm local;
        int64_t left;

        zone_local(zone, time, &local);
        if (day_matches(cron, &local)) {
            if ((cron->minutes >> local.tm_min & 1) != 0 && local.tm_sec == 0)
                return time;
            time += MINUTE;
            continue;
        }
        /* Two hours short of midnight, because the clocks may change until then. */
        left = DAY - 2 * HOUR - (local.tm_hour * HOUR + local.tm_min * MINUTE);
        time += left < MINUTE ? MINUTE : left;
    }
    return -1;
}

int64_t cron_next(const struct cron *cron, const char *zone, int64_t after)
{
    if (cron->every > 0)
        return (after / cron->every + 1) * cron->every;
    return cron->hours == 0xffffff ? next_by_minute(cron, zone, after) : next_by_day(cron, zone, after);
}
