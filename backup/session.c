/* SPDX-License-Identifier: PostgreSQL
 * session - one connection to PostgreSQL, waited for with the runner's pulse so that a signal ends every
 * wait. */
#include "backup/session.h"

#include <poll.h>
#include <string.h>

#include "backup/failure.h"
#include "backup/pulse.h"
#include "gateway/base/arena.h"
#include "gateway/base/check.h"
#include "gateway/base/clock.h"

enum { CONNECT_SECONDS = 30 };

static void notice_ignore(void *context, const PGresult *result)
{
    (void)context;
    (void)result;
}

bool session_names_database(const char *conninfo)
{
    PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
    bool named = false;

    for (PQconninfoOption *option = options; option != NULL && option->keyword != NULL; option++)
        named =
            named || (option->val != NULL && option->val[0] != '\0' &&
                      (strcmp(option->keyword, "dbname") == 0 || strcmp(option->keyword, "service") == 0));
    PQconninfoFree(options);
    return named;
}

static bool connect_poll(struct session *session, struct fault *fault)
{
    uint64_t deadline = clock_now_us() + CONNECT_SECONDS * 1000000u;
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;

    while (status != PGRES_POLLING_OK) {
        if (status == PGRES_POLLING_FAILED)
            return failure_explain(fault, FAILURE_CONNECT, "Cannot connect", PQerrorMessage(session->conn));
        if (!pulse_wait(session->pulse, PQsocket(session->conn),
                        status == PGRES_POLLING_READING ? POLLIN : POLLOUT, fault))
            return false;
        if (clock_now_us() > deadline)
            return failure_set(fault, FAILURE_CONNECT,
                               "No connection within %d seconds to host \"%s\" port %s.", CONNECT_SECONDS,
                               PQhost(session->conn), PQport(session->conn));
        status = PQconnectPoll(session->conn);
    }
    return true;
}

bool session_open(struct session *session, const struct session_target *target, struct fault *fault)
{
    const char *keywords[8] = { "dbname", "client_encoding", "application_name" };
    const char *values[8] = { target->conninfo, "UTF8",
                              target->application == NULL ? "pgsluice-backup" : target->application };

    if (target->database != NULL || !session_names_database(target->conninfo)) {
        keywords[3] = "dbname"; /* a later value overrides what conninfo says */
        values[3] = target->database == NULL ? "postgres" : target->database;
    }
    session->pulse = target->pulse;
    session->timeout_us = 0;
    session->conn = PQconnectStartParams(keywords, values, 1);
    CHECK(session->conn != NULL);
    if (PQstatus(session->conn) == CONNECTION_BAD)
        failure_explain(fault, FAILURE_CONNECT, "Cannot connect", PQerrorMessage(session->conn));
    else if (connect_poll(session, fault)) {
        PQsetNoticeReceiver(session->conn, notice_ignore, NULL);
        return true;
    }
    session_close(session);
    return false;
}

void session_close(struct session *session)
{
    if (session->conn != NULL)
        PQfinish(session->conn);
    session->conn = NULL;
}

static void statement_cancel(struct session *session)
{
    char ignored[256];
    PGcancel *cancel = PQgetCancel(session->conn);

    if (cancel != NULL)
        PQcancel(cancel, ignored, sizeof ignored);
    PQfreeCancel(cancel);
}

static bool result_wait(struct session *session, struct fault *fault)
{
    uint64_t started = clock_now_us();

    while (PQflush(session->conn) == 1 || PQisBusy(session->conn)) {
        if (!pulse_wait(session->pulse, PQsocket(session->conn), POLLIN, fault)) {
            statement_cancel(session);
            return false;
        }
        if (session->timeout_us != 0 && clock_now_us() - started > session->timeout_us) {
            statement_cancel(session);
            return failure_set(fault, FAILURE_ADMISSION, "A statement got no answer within %d seconds.",
                               (int)(session->timeout_us / 1000000));
        }
        if (!PQconsumeInput(session->conn))
            return failure_explain(fault, FAILURE_CONNECT, "The session was lost",
                                   PQerrorMessage(session->conn));
    }
    return true;
}

/* Keeps the server's own SQLSTATE unless its text is one that reasons.def knows better. */
static bool error_explain(const struct session *session, const PGresult *result, struct fault *fault)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);

    failure_explain(fault, FAILURE_OTHER, "The server refused a statement", PQresultErrorMessage(result));
    if (PQstatus(session->conn) == CONNECTION_BAD && failure_of(fault) == FAILURE_OTHER)
        return failure_explain(fault, FAILURE_CONNECT, "The session was lost",
                               PQerrorMessage(session->conn));
    if (failure_of(fault) == FAILURE_OTHER && sqlstate != NULL && strlen(sqlstate) == 5)
        memcpy(fault->sqlstate, sqlstate, 6);
    return false;
}

PGresult *session_query(struct session *session, const char *sql, struct fault *fault)
{
    PGresult *result = NULL, *next;
    ExecStatusType status;

    if (PQsendQuery(session->conn, sql) != 1) {
        failure_explain(fault, FAILURE_CONNECT, "The session was lost", PQerrorMessage(session->conn));
        return NULL;
    }
    do { /* the last result of a multi-statement string counts, the first error ends it anyway */
        if (!result_wait(session, fault)) {
            PQclear(result);
            return NULL;
        }
        next = PQgetResult(session->conn);
        if (next != NULL) {
            PQclear(result);
            result = next;
        }
    } while (next != NULL);
    status = PQresultStatus(result);
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
        return result;
    error_explain(session, result, fault);
    PQclear(result);
    return NULL;
}

PGresult *session_rows(struct session *session, const char *sql, int columns, struct fault *fault)
{
    PGresult *result = session_query(session, sql, fault);

    if (result == NULL || PQnfields(result) == columns)
        return result;
    failure_set(fault, FAILURE_OTHER, "The server answered with %d columns instead of %d.",
                PQnfields(result), columns);
    PQclear(result);
    return NULL;
}

bool session_command(struct session *session, const char *sql, struct fault *fault)
{
    PGresult *result = session_query(session, sql, fault);

    PQclear(result);
    return result != NULL;
}

const char *session_value(struct session *session, const char *sql, struct arena *arena, struct fault *fault)
{
    PGresult *result = session_query(session, sql, fault);
    const char *value = NULL;

    if (result != NULL)
        value = arena_string(arena,
                             PQntuples(result) > 0 && PQnfields(result) > 0 ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    return value;
}

const char *session_conninfo(const char *database, struct arena *arena)
{
    char *text = arena_alloc(arena, 2 * strlen(database) + sizeof "dbname=''"),
         *to = stpcpy(text, "dbname='");

    for (; *database != '\0'; database++) {
        if (*database == '\'' || *database == '\\')
            *to++ = '\\';
        *to++ = *database;
    }
    *to = '\'';
    return text;
}

const char *session_identifier(struct session *session, const char *name, struct arena *arena)
{
    char *quoted = PQescapeIdentifier(session->conn, name, strlen(name));
    const char *copy;

    CHECK(quoted != NULL);
    copy = arena_string(arena, quoted);
    PQfreemem(quoted);
    return copy;
}

const char *session_literal(struct session *session, const char *value, struct arena *arena)
{
    char *quoted = PQescapeLiteral(session->conn, value, strlen(value));
    const char *copy;

    CHECK(quoted != NULL);
    copy = arena_string(arena, quoted);
    PQfreemem(quoted);
    return copy;
}

const char *session_where(const struct session *session, struct arena *arena)
{
    return arena_format(arena, "%s@%s:%s", PQuser(session->conn), PQhost(session->conn),
                        PQport(session->conn));
}
