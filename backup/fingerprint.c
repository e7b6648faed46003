/* SPDX-License-Identifier: PostgreSQL
 * fingerprint - what a database holds, in numbers: rows and checksum of every table, sequences, large
 * objects. */
#include "backup/fingerprint.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backup/session.h"
#include "gateway/base/arena.h"
#include "gateway/base/check.h"

enum { BATCH = 100 };

/* True for a schema of its own that is not left out; fingerprint_leave_out sets the list. */
#define SCHEMA_COUNTS(name)                                                                                 \
    name " !~ '^pg_' AND " name " <> 'information_schema' AND " name " <> ALL (coalesce(nullif("             \
         "current_setting('pgsluice.left_out', true), ''), '{}')::text[])"

/* What pg_dump dumps is what is listed here: nothing of the system, nothing temporary. What belongs to an
 * extension is made again by CREATE EXTENSION and may differ between versions of the extension. */
static const char tables_sql[] =
    "SELECT n.nspname, c.relname, CASE c.relkind WHEN 'm' THEN 'materialized view' ELSE 'table' END,"
    " CASE WHEN d.objid IS NOT NULL THEN 'belongs to an extension'"
    " WHEN c.relkind = 'f' THEN 'is a foreign table'"
    " WHEN c.relkind = 'm' AND NOT c.relispopulated THEN 'is a materialized view without data'"
    " WHEN c.relpersistence = 'u' AND pg_is_in_recovery() THEN 'is unlogged, and the server is a standby'"
    " ELSE '' END"
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'"
    " WHERE c.relkind IN ('r', 'm', 'f') AND c.relpersistence <> 't'"
    " AND " SCHEMA_COUNTS("n.nspname") " ORDER BY 1, 2";

static const char sequences_sql[] =
    "SELECT n.nspname, c.relname, s.seqcycle FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " JOIN pg_sequence s ON s.seqrelid = c.oid"
    " WHERE c.relpersistence <> 't' AND " SCHEMA_COUNTS("n.nspname")
    " AND NOT (c.relpersistence = 'u' AND pg_is_in_recovery())"
    " AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid"
    " AND d.deptype = 'e')"
    " ORDER BY 1, 2";

static const char objects_sql[] =
    "WITH own AS (SELECT oid FROM pg_namespace WHERE " SCHEMA_COUNTS("nspname") "),"
    " member AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e')"
    " SELECT 'indexes', count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
    " WHERE i.indisvalid AND c.relpersistence <> 't' AND c.relnamespace IN (SELECT oid FROM own)"
    " AND (1259, i.indrelid) NOT IN (SELECT classid, objid FROM member)"
    " UNION ALL SELECT 'views', count(*) FROM pg_class c WHERE c.relkind = 'v' AND c.relpersistence <> 't'"
    " AND c.relnamespace IN (SELECT oid FROM own) AND (1259, c.oid) NOT IN (SELECT classid, objid FROM "
    "member)"
    " UNION ALL SELECT 'functions', count(*) FROM pg_proc p WHERE p.pronamespace IN (SELECT oid FROM own)"
    " AND (1255, p.oid) NOT IN (SELECT classid, objid FROM member)"
    " UNION ALL SELECT 'triggers', count(*) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
    " WHERE NOT t.tgisinternal AND c.relpersistence <> 't' AND c.relnamespace IN (SELECT oid FROM own)"
    " AND (1259, t.tgrelid) NOT IN (SELECT classid, objid FROM member)"
    " UNION ALL SELECT 'constraints', count(*) FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid"
    " WHERE k.contype IN ('c', 'f', 'p', 'u', 'x') AND c.relpersistence <> 't'"
    " AND c.relnamespace IN (SELECT oid FROM own) AND (1259, k.conrelid) NOT IN (SELECT classid, objid FROM "
    "member)";

/* Pages are compared without trailing zeros, because a hole in a large object comes back as a page of
 * zeros. */
static const char large_objects_sql[] =
    "SELECT (SELECT count(*) FROM pg_largeobject_metadata),"
    " coalesce(sum(hashtextextended(loid || ':' || pageno || ':' || encode(rtrim(data, '\\x00'::bytea), "
    "'hex')"
    " COLLATE \"C\", 0)), 0) FROM pg_largeobject WHERE length(rtrim(data, '\\x00'::bytea)) > 0";

bool fingerprint_prepare(struct session *session, uint64_t lock_timeout_us, struct fault *fault)
{
    static const char settings[] =
        "SET search_path = pg_catalog; SET row_security = off; SET statement_timeout = 0;"
        " SET idle_in_transaction_session_timeout = 0; SET idle_session_timeout = 0; SET DateStyle = ISO;"
        " SET IntervalStyle = postgres; SET extra_float_digits = 3; SET TimeZone = 'UTC'; SET bytea_output "
        "= hex;"
        " SET lc_monetary = 'C'; SET xmlbinary = base64; SET synchronize_seqscans = off;"
        " SET max_parallel_workers_per_gather = 0; SET jit = off; SET client_min_messages = warning;"
        " SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'transaction_timeout'";
    char lock_timeout[64];

    snprintf(lock_timeout, sizeof lock_timeout, "SET lock_timeout = %" PRIu64, lock_timeout_us / 1000);
    return session_command(session, settings, fault) && session_command(session, lock_timeout, fault);
}

bool fingerprint_leave_out(struct session *session, const char *const *schemas, size_t count,
                           struct arena *arena, struct fault *fault)
{
    const char *list = "";

    for (size_t i = 0; i < count; i++)
        list = arena_format(arena, "%s%s%s", list, i == 0 ? "" : ", ",
                            session_literal(session, schemas[i], arena));
    return session_command(
        session,
        arena_format(arena, "SELECT set_config('pgsluice.left_out', (ARRAY[%s]::text[])::text, false)", list),
        fault);
}

static bool tables_list(struct session *session, struct fingerprint *print, struct arena *arena,
                        struct fault *fault)
{
    PGresult *rows = session_rows(session, tables_sql, 4, fault);
    size_t count;

    if (rows == NULL)
        return false;
    count = (size_t)PQntuples(rows);
    print->tables = arena_alloc(arena, (count + 1) * sizeof *print->tables);
    print->skipped = arena_alloc(arena, (count + 1) * sizeof *print->skipped);
    for (int i = 0; i < (int)count; i++) {
        const char *schema = arena_string(arena, PQgetvalue(rows, i, 0));
        const char *name = arena_string(arena, PQgetvalue(rows, i, 1));

        if (PQgetvalue(rows, i, 3)[0] == '\0')
            print->tables[print->table_count++] = (struct table_print){
                .schema = schema, .name = name, .kind = arena_string(arena, PQgetvalue(rows, i, 2))
            };
        else
            print->skipped[print->skipped_count++] =
                (struct skipped_print){ schema, name, arena_string(arena, PQgetvalue(rows, i, 3)) };
    }
    PQclear(rows);
    return true;
}

static bool sequences_list(struct session *session, struct fingerprint *print, struct arena *arena,
                           struct fault *fault)
{
    PGresult *rows = session_rows(session, sequences_sql, 3, fault);

    if (rows == NULL)
        return false;
    print->sequence_count = (size_t)PQntuples(rows);
    print->sequences = arena_alloc(arena, (print->sequence_count + 1) * sizeof *print->sequences);
    for (int i = 0; i < (int)print->sequence_count; i++)
        print->sequences[i] = (struct sequence_print){ .schema = arena_string(arena, PQgetvalue(rows, i, 0)),
                                                       .name = arena_string(arena, PQgetvalue(rows, i, 1)),
                                                       .cycles = PQgetvalue(rows, i, 2)[0] == 't' };
    PQclear(rows);
    return true;
}

static bool objects_count(struct session *session, struct fingerprint *print, struct arena *arena,
                          struct fault *fault)
{
    PGresult *rows = session_rows(session, objects_sql, 2, fault);

    if (rows == NULL)
        return false;
    print->object_count = (size_t)PQntuples(rows);
    print->objects = arena_alloc(arena, (print->object_count + 1) * sizeof *print->objects);
    for (int i = 0; i < (int)print->object_count; i++)
        print->objects[i] = (struct object_print){ arena_string(arena, PQgetvalue(rows, i, 0)),
                                                   strtoll(PQgetvalue(rows, i, 1), NULL, 10) };
    PQclear(rows);
    return true;
}

static const char *qualified(struct session *session, const char *schema, const char *name,
                             struct arena *arena)
{
    return arena_format(arena, "%s.%s", session_identifier(session, schema, arena),
                        session_identifier(session, name, arena));
}

/* The SQL that reads the sequences from `from` on, at most BATCH of them, one row each. The caller frees
 * it. */
static char *sequences_batch(struct session *session, const struct fingerprint *print, size_t from,
                             struct arena *arena)
{
    char *sql = NULL;
    size_t size;
    FILE *text = open_memstream(&sql, &size);

    CHECK(text != NULL);
    for (size_t i = from; i < print->sequence_count && i < from + BATCH; i++)
        fprintf(text, "%sSELECT %zu, last_value, is_called FROM %s", i == from ? "" : " UNION ALL ", i,
                qualified(session, print->sequences[i].schema, print->sequences[i].name, arena));
    CHECK(fclose(text) == 0);
    return sql;
}

static void sequence_note(struct fingerprint *print, PGresult *rows, int row, bool after)
{
    size_t index = strtoul(PQgetvalue(rows, row, 0), NULL, 10);
    struct sequence_print *sequence = &print->sequences[index];

    if (index >= print->sequence_count)
        return;
    sequence->after = strtoll(PQgetvalue(rows, row, 1), NULL, 10);
    sequence->called_after = PQgetvalue(rows, row, 2)[0] == 't';
    if (after)
        return;
    sequence->before = sequence->after;
    sequence->called_before = sequence->called_after;
}

static bool sequences_read(struct session *session, struct fingerprint *print, bool after,
                           struct fault *fault)
{
    struct arena *scrap = arena_new();
    bool ok = true;

    CHECK(scrap != NULL);
    for (size_t from = 0; ok && from < print->sequence_count; from += BATCH) {
        char *sql = sequences_batch(session, print, from, scrap);
        PGresult *rows = session_rows(session, sql, 3, fault);

        ok = rows != NULL;
        for (int i = 0; i < PQntuples(rows); i++)
            sequence_note(print, rows, i, after);
        PQclear(rows);
        free(sql);
    }
    arena_free(scrap);
    return ok;
}

bool fingerprint_list(struct session *session, struct fingerprint *print, struct arena *arena,
                      struct fault *fault)
{
    memset(print, 0, sizeof *print);
    return tables_list(session, print, arena, fault) && sequences_list(session, print, arena, fault) &&
           objects_count(session, print, arena, fault) && sequences_read(session, print, false, fault);
}

bool fingerprint_sequences_again(struct session *session, struct fingerprint *print, struct fault *fault)
{
    return sequences_read(session, print, true, fault);
}

/* LOCK TABLE takes no materialized views; they are locked by being read. */
static char *lock_batch(struct session *session, const struct fingerprint *print, size_t from,
                        struct arena *arena)
{
    char *sql = NULL;
    size_t size, listed = 0;
    FILE *text = open_memstream(&sql, &size);

    CHECK(text != NULL);
    for (size_t i = from; i < print->table_count && i < from + BATCH; i++) {
        const struct table_print *table = &print->tables[i];

        if (strcmp(table->kind, "table") == 0)
            fprintf(text, "%s ONLY %s", listed++ == 0 ? "LOCK TABLE" : ",",
                    qualified(session, table->schema, table->name, arena));
    }
    if (listed > 0)
        fputs(" IN ACCESS SHARE MODE", text);
    CHECK(fclose(text) == 0);
    return sql;
}

bool fingerprint_lock(struct session *session, const struct fingerprint *print, struct fault *fault)
{
    struct arena *scrap = arena_new();
    bool ok = true;

    CHECK(scrap != NULL);
    for (size_t from = 0; ok && from < print->table_count; from += BATCH) {
        char *sql = lock_batch(session, print, from, scrap);

        ok = sql[0] == '\0' || session_command(session, sql, fault);
        free(sql);
    }
    arena_free(scrap);
    return ok;
}

/* ROW(t.*) and not t: a column may be called t. */
static bool table_count(struct session *session, struct table_print *table, struct arena *arena,
                        struct fault *fault)
{
    const char *sql = arena_format(arena,
                                   "SELECT count(*), coalesce(sum(hashtextextended((ROW(t.*))::text "
                                   "COLLATE \"C\", 0)), 0) FROM ONLY %s t",
                                   qualified(session, table->schema, table->name, arena));
    PGresult *row = session_rows(session, sql, 2, fault);

    if (row == NULL)
        return false;
    table->rows = strtoll(PQgetvalue(row, 0, 0), NULL, 10);
    table->checksum = arena_string(arena, PQgetvalue(row, 0, 1));
    PQclear(row);
    return true;
}

static bool large_objects_count(struct session *session, struct fingerprint *print, struct arena *arena,
                                struct fault *fault)
{
    const char *allowed = session_value(session,
                                        "SELECT has_table_privilege('pg_largeobject', 'SELECT')"
                                        " AND has_table_privilege('pg_largeobject_metadata', 'SELECT')",
                                        arena, fault);
    PGresult *row;

    if (allowed == NULL)
        return false;
    print->large_object_checksum = "";
    if (allowed[0] != 't')
        return true;
    row = session_rows(session, large_objects_sql, 2, fault);
    if (row == NULL)
        return false;
    print->has_large_objects = true;
    print->large_objects = strtoll(PQgetvalue(row, 0, 0), NULL, 10);
    print->large_object_checksum = arena_string(arena, PQgetvalue(row, 0, 1));
    PQclear(row);
    return true;
}

bool fingerprint_count(struct session *session, struct fingerprint *print, struct arena *arena,
                       struct fault *fault)
{
    for (size_t i = 0; i < print->table_count; i++)
        if (!table_count(session, &print->tables[i], arena, fault))
            return false;
    return large_objects_count(session, print, arena, fault);
}

int64_t fingerprint_rows(const struct fingerprint *print)
{
    int64_t rows = 0;

    for (size_t i = 0; i < print->table_count; i++)
        rows += print->tables[i].rows;
    return rows;
}
