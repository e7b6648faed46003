/* SPDX-License-Identifier: PostgreSQL
 * restore - one database of a backup into a server of the operator's choice, after its files were checked.
 */
#pragma once

#include <stdbool.h>

struct fault;
struct runner_options;

struct restore_request {
    const char *label;
    const char *repository; /* NULL = the first that has the label */
    const char *database;   /* as it was called when dumped; NULL when the backup holds only one */
    const char *schema, *table; /* only this of the database; NULL = all of it */
    const char *to;         /* libpq connection string of the target; NULL for a physical backup */
    const char *target;     /* as recovery_parse reads it; NULL = the end of the backup */
    const char *directory;  /* the new data directory of a physical backup; NULL for a logical one */
    int jobs;
    const char *key_file; /* looked at before the keys of the configuration; may be NULL */
    bool dry;      /* only tell what would be done */
    bool create;   /* make the database under its old name; `to` is then only where to connect */
    bool force;    /* the target may hold something already */
    bool no_owner; /* everything belongs to the connecting role, no privileges are set */
    bool compare;  /* compare every table with the fingerprint afterwards */
    bool quiet;
};

bool restore_run(const struct runner_options *options, const struct restore_request *request,
                 struct fault *fault);
