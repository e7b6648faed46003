/* SPDX-License-Identifier: PostgreSQL
 * session - one connection to PostgreSQL, waited for with the runner's pulse so that a signal ends every
 * wait. */
#pragma once

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

struct arena;
struct fault;
struct pulse;

struct session_target {
    const char *conninfo;
    const char *database;    /* NULL = what conninfo says, or "postgres" */
    const char *application; /* the application_name that announces the session; NULL = "pgsluice-backup" */
    const struct pulse *pulse;
};

struct session {
    PGconn *conn; /* NULL when closed */
    const struct pulse *pulse;
    uint64_t timeout_us; /* for one statement; 0 = none */
};

/* Connects within 30 seconds; the fault maps to exit codes by reasons.def. */
bool session_open(struct session *session, const struct session_target *target, struct fault *fault);
void session_close(struct session *session);

/* Runs one statement. The caller frees the result with PQclear; NULL with the fault set (SQLSTATE of the
 * server) on error. On a timeout or a stop the statement is cancelled and the session unusable. */
PGresult *session_query(struct session *session, const char *sql, struct fault *fault);

/* The same for a statement that must return rows of so many columns, as a lying server could send others. */
PGresult *session_rows(struct session *session, const char *sql, int columns, struct fault *fault);

/* Runs a statement whose rows do not matter. */
bool session_command(struct session *session, const char *sql, struct fault *fault);

/* The first column of the first row, in the arena; NULL with the fault set on error; "" for NULL or no row.
 */
const char *session_value(struct session *session, const char *sql, struct arena *arena,
                          struct fault *fault);

/* True when the connection string says which database (or service) is meant. */
bool session_names_database(const char *conninfo);

/* "dbname='NAME'", quoted so that no name can smuggle in another parameter; in the arena. */
const char *session_conninfo(const char *database, struct arena *arena);

/* Quoted for SQL, in the arena. */
const char *session_identifier(struct session *session, const char *name, struct arena *arena);
const char *session_literal(struct session *session, const char *value, struct arena *arena);

/* "user@host:port", without any secret, for manifests and messages. */
const char *session_where(const struct session *session, struct arena *arena);
