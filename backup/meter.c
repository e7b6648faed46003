/* SPDX-License-Identifier: PostgreSQL
 * meter - how many bytes PostgreSQL has handed to a dump so far, from pg_stat_progress_copy; for the
 * progress bar only. */
#include "backup/meter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backup/failure.h"
#include "gateway/base/arena.h"
#include "gateway/base/check.h"

enum { PATIENCE_US = 2000000 };

void meter_begin(struct meter *meter, struct session *session, const char *application)
{
    struct arena *arena = arena_new();

    CHECK(arena != NULL);
    memset(meter, 0, sizeof *meter);
    meter->session = session;
    snprintf(meter->sql, sizeof meter->sql,
             "SELECT c.pid, c.relid, c.bytes_processed FROM pg_stat_progress_copy c JOIN pg_stat_activity a "
             "USING (pid)"
             " WHERE a.application_name = %s AND c.bytes_processed IS NOT NULL",
             session_literal(session, application, arena));
    arena_free(arena);
}

static void entry_note(struct meter *meter, const struct meter_entry *seen)
{
    size_t i = 0;

    while (i < meter->entry_count && meter->entries[i].pid != seen->pid)
        i++;
    if (i == METER_SESSIONS)
        return;
    if (i == meter->entry_count)
        meter->entry_count++;
    else if (meter->entries[i].table != seen->table)
        meter->finished_bytes += meter->entries[i].bytes;
    meter->entries[i] = *seen;
}

/* The session beats no pulse meanwhile: this is called from a beat. */
static PGresult *progress_ask(struct meter *meter)
{
    struct session *session = meter->session;
    const struct pulse *pulse = session->pulse;
    uint64_t timeout_us = session->timeout_us;
    struct fault ignored;
    PGresult *rows;

    session->pulse = NULL;
    session->timeout_us = PATIENCE_US;
    rows = session_rows(session, meter->sql, 3, &ignored);
    session->pulse = pulse;
    session->timeout_us = timeout_us;
    if (rows == NULL)
        meter->session = NULL;
    return rows;
}

uint64_t meter_read(void *context)
{
    struct meter *meter = context;
    PGresult *rows = meter->session == NULL ? NULL : progress_ask(meter);
    uint64_t bytes;

    for (int i = 0; i < PQntuples(rows); i++) {
        struct meter_entry seen = { strtol(PQgetvalue(rows, i, 0), NULL, 10),
                                    strtol(PQgetvalue(rows, i, 1), NULL, 10),
                                    strtoull(PQgetvalue(rows, i, 2), NULL, 10) };

        entry_note(meter, &seen);
    }
    PQclear(rows);
    bytes = meter->finished_bytes;
    for (size_t i = 0; i < meter->entry_count; i++)
        bytes += meter->entries[i].bytes;
    return bytes;
}
