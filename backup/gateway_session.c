/* SPDX-License-Identifier: PostgreSQL
 * gateway_session - the runner's own session on the gateway: proved to be one, and what it says about the
 * server. */
#include "backup/gateway_session.h"

#include "backup/failure.h"
#include "backup/probe.h"
#include "gateway/base/arena.h"

enum { OLDEST_SERVER = 140000 };

/* The role with OID 10 made the cluster; a scratch copy must be made by one of the same name.
 * pg_control_system() is for superusers and pg_monitor, so without the right the identifier stays empty. */
static bool facts_ask(struct session *session, struct server_facts *facts, struct arena *arena,
                      struct fault *fault)
{
    static const char sql[] = "SELECT current_setting('server_version'), pg_is_in_recovery(),"
                              " has_table_privilege('pg_catalog.pg_authid', 'SELECT'),"
                              " (SELECT rolname FROM pg_roles WHERE oid = 10),"
                              " has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')";
    PGresult *row = session_rows(session, sql, 5, fault);
    bool may_ask;

    if (row == NULL)
        return false;
    facts->version = arena_string(arena, PQgetvalue(row, 0, 0));
    facts->standby = PQgetvalue(row, 0, 1)[0] == 't';
    facts->reads_passwords = PQgetvalue(row, 0, 2)[0] == 't';
    facts->bootstrap_role = arena_string(arena, PQgetvalue(row, 0, 3));
    may_ask = PQgetvalue(row, 0, 4)[0] == 't';
    PQclear(row);
    facts->version_number = PQserverVersion(session->conn);
    facts->where = session_where(session, arena);
    facts->system_identifier =
        may_ask ? session_value(session, "SELECT system_identifier FROM pg_control_system()", arena, fault)
                : "";
    return facts->system_identifier != NULL;
}

static bool session_settle(struct session *session, const struct session_target *target,
                           struct server_facts *facts, struct arena *arena, struct fault *fault)
{
    static const char settings[] = "SET search_path = pg_catalog; SET statement_timeout = 0;"
                                   " SET idle_session_timeout = 0; SET lock_timeout = 0";

    if (PQserverVersion(session->conn) < OLDEST_SERVER)
        return failure_set(fault, FAILURE_VERSION,
                           "The server is PostgreSQL %d; the runner needs 14 or newer.",
                           PQserverVersion(session->conn) / 10000);
    return probe_session(session, target, fault) && session_command(session, settings, fault) &&
           facts_ask(session, facts, arena, fault);
}

bool gateway_session_open(struct session *session, const struct session_target *target,
                          struct server_facts *facts, struct arena *arena, struct fault *fault)
{
    if (!session_open(session, target, fault))
        return false;
    if (session_settle(session, target, facts, arena, fault))
        return true;
    session_close(session);
    return false;
}

bool gateway_session_lock(struct session *session, const char *job, struct arena *arena, struct fault *fault)
{
    const char *key = session_literal(session, arena_format(arena, "pgsluice-backup/%s", job), arena);
    const char *sql = arena_format(arena, "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", key);
    const char *taken = session_value(session, sql, arena, fault);

    if (taken == NULL || taken[0] == 't')
        return taken != NULL;
    failure_set(fault, FAILURE_LOCKED,
                "Another run of job \"%s\" is at work on this server, perhaps started on another "
                "machine.",
                job);
    return fault_hint(fault, "pg_stat_activity shows it by application_name pgsluice-backup/%s/...", job);
}
