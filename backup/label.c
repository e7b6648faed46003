/* SPDX-License-Identifier: PostgreSQL
 * label - the name of a backup, such as 20261121T032605Z-nightly-L: when, which job, L for logical or F for a
 * full physical one. */
#include "backup/label.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "gateway/base/check.h"

static const char time_pattern[] = "########T######Z-";

void label_make(char label[LABEL_BYTES], const char *job, char kind, int64_t started)
{
    time_t time = (time_t)started;
    char when[24];
    struct tm utc;

    CHECK(gmtime_r(&time, &utc) != NULL && strlen(job) <= JOB_NAME_MAX);
    CHECK(strftime(when, sizeof when, "%Y%m%dT%H%M%SZ", &utc) > 0);
    snprintf(label, LABEL_BYTES, "%s-%s-%c", when, job, kind);
}

char label_kind(const char *label)
{
    return label[strlen(label) - 1];
}

bool label_is_name(const char *name, unsigned max_length)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t length = strlen(name);

    return length > 0 && length <= max_length && name[0] != '.' && name[0] != '-' &&
           strspn(name, allowed) == length;
}

bool label_is_valid(const char *label)
{
    size_t length = strlen(label), fixed = sizeof time_pattern - 1;

    if (length < fixed + 3 || length >= LABEL_BYTES ||
        (label_kind(label) != LABEL_LOGICAL && label_kind(label) != LABEL_PHYSICAL) ||
        label[length - 2] != '-')
        return false;
    for (size_t i = 0; i < fixed; i++) {
        bool digit = label[i] >= '0' && label[i] <= '9';

        if (time_pattern[i] == '#' ? !digit : label[i] != time_pattern[i])
            return false;
    }
    return label_is_name(label, LABEL_BYTES - 1);
}
