/* SPDX-License-Identifier: PostgreSQL
 * text - sizes, durations and times as people read them. */
#include "backup/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/base/check.h"

void text_tame(char *text)
{
    for (unsigned char *at = (unsigned char *)text; *at != '\0'; at++) {
        if ((*at < ' ' && *at != '\n') || *at == 0x7f)
            *at = '?';
        else if (at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0) /* C1 controls in UTF-8 */
            at[0] = at[1] = '?';
    }
}

void text_print(FILE *to, const char *format, ...)
{
    char *text;
    va_list args;

    va_start(args, format);
    CHECK(vasprintf(&text, format, args) >= 0);
    va_end(args);
    text_tame(text);
    fputs(text, to);
    free(text);
}

char *text_size(char to[TEXT_SHORT], uint64_t bytes)
{
    static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB" };
    double value = (double)bytes;
    unsigned unit = 0;

    while (value >= 1024 && unit < 5) {
        value /= 1024;
        unit++;
    }
    snprintf(to, TEXT_SHORT, unit == 0 || value >= 100 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return to;
}

char *text_duration(char to[TEXT_SHORT], uint64_t duration_us)
{
    unsigned long long seconds = duration_us / 1000000;

    if (seconds < 10)
        snprintf(to, TEXT_SHORT, "%.1f s", (double)duration_us / 1e6);
    else if (seconds < 60)
        snprintf(to, TEXT_SHORT, "%llu s", seconds);
    else if (seconds < 3600)
        snprintf(to, TEXT_SHORT, "%llu min %02llu s", seconds / 60, seconds % 60);
    else
        snprintf(to, TEXT_SHORT, "%llu h %02llu min", seconds / 3600, seconds / 60 % 60);
    return to;
}

char *text_time(char to[TEXT_SHORT], int64_t seconds)
{
    time_t time = (time_t)seconds;
    struct tm utc;

    if (seconds == 0 || gmtime_r(&time, &utc) == NULL)
        return strcpy(to, "-");
    if (strftime(to, TEXT_SHORT, "%Y-%m-%d %H:%M:%SZ", &utc) == 0)
        strcpy(to, "-");
    return to;
}
