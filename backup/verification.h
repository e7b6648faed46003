/* SPDX-License-Identifier: PostgreSQL
 * verification - the results of verifying a backup, kept beside its manifest as verification.json. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct fault;

struct verification_result {
    const char *level; /* of options.h, such as "content" */
    int64_t time;      /* seconds since 1970 */
    int64_t duration_us;
    bool passed;
    const char *text; /* what was proved, or the first thing that was wrong */
};

/* Oldest first. */
struct verification {
    struct verification_result *results;
    size_t count;
};

extern const char verification_name[]; /* "verification.json" */

/* No file is no results, which is no error. */
bool verification_read(int dir_fd, struct verification *verification, struct arena *arena,
                       struct fault *fault);

/* Adds one result durably and keeps the newest twenty. */
bool verification_add(int dir_fd, const struct verification_result *result, struct fault *fault);

/* The result that list shows: the newest when it failed, otherwise the newest of the highest level that
 * passed; NULL when there is none. */
const struct verification_result *verification_summary(const struct verification *verification);
