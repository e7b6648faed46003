/* SPDX-License-Identifier: PostgreSQL
 * meter - how many bytes PostgreSQL has handed to a dump so far, from pg_stat_progress_copy; for the
 * progress bar only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backup/session.h"

enum { METER_SESSIONS = 65 }; /* pg_dump --jobs=64 and its leader */

struct meter_entry {
    long pid, table;
    uint64_t bytes;
};

struct meter {
    struct session *session; /* idle otherwise; NULL after an error, then the count stands still */
    char sql[512];
    struct meter_entry entries[METER_SESSIONS];
    size_t entry_count;
    uint64_t finished_bytes; /* of tables that are done; small ones may come and go unseen */
};

/* Counts the COPYs of the sessions that have this application_name. */
void meter_begin(struct meter *meter, struct session *session, const char *application);

/* The count so far; `context` is the meter. Asks the server, for at most two seconds. */
uint64_t meter_read(void *context);
