/* SPDX-License-Identifier: PostgreSQL
 * setup_plan - the statements that bring a database to where auth_query works; none when it is already so.
 * Names go into statements through PQescapeIdentifier, into questions as parameters. */
#include "gateway/setup_plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/fault.h"
#include "gateway/setup_password.h"

/* Whatever a session's search_path holds, each name here means pg_catalog's. NOLOGIN, an expired password and
 * no password are all the same to who asks: no row. */
#define SECRET_OF_ANY                                                                                \
    "\n  SELECT a.rolname::pg_catalog.text, a.rolpassword::pg_catalog.text\n"                        \
    "  FROM pg_catalog.pg_authid AS a\n"                                                             \
    "  WHERE a.rolname OPERATOR(pg_catalog.=) $1 AND a.rolcanlogin AND a.rolpassword IS NOT NULL\n"  \
    "    AND (a.rolvaliduntil IS NULL OR a.rolvaliduntil OPERATOR(pg_catalog.>) pg_catalog.now())\n"

static const char body_for_all[] = SECRET_OF_ANY;
static const char body_without_superusers[] = SECRET_OF_ANY "    AND NOT a.rolsuper\n";

static void add(struct setup_script *script, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct setup_script *script, const char *format, ...)
{
    va_list args;
    int length;

    CHECK(script->count < SETUP_STATEMENTS_MAX);
    va_start(args, format);
    length = vasprintf(&script->statements[script->count], format, args);
    va_end(args);
    CHECK(length >= 0);
    script->count++;
}

void setup_script_clear(struct setup_script *script)
{
    while (script->count > 0) {
        char *statement = script->statements[--script->count];

        explicit_bzero(statement, strlen(statement));
        free(statement);
    }
}

/* Rows, or NULL with PostgreSQL's own sentence. */
static PGresult *ask(PGconn *connection, const char *query, const char *first, const char *second,
                     struct fault *fault)
{
    const char *values[] = { first, second };
    int count = second != NULL ? 2 : first != NULL ? 1 : 0;
    PGresult *rows = PQexecParams(connection, query, count, NULL, values, NULL, NULL, 0);

    if (PQresultStatus(rows) == PGRES_TUPLES_OK)
        return rows;
    fault_set(fault, "58000", "%s", PQerrorMessage(connection));
    PQclear(rows);
    return NULL;
}

static bool is_true(const PGresult *rows, int row, int column)
{
    return strcmp(PQgetvalue(rows, row, column), "t") == 0;
}

/* For PQfreemem. */
static char *quoted(PGconn *connection, const char *name)
{
    char *text = PQescapeIdentifier(connection, name, strlen(name));

    CHECK(text != NULL);
    return text;
}

/* `attributes` are what stands between the role and its password. */
static bool add_password(struct setup_script *script, const struct setup_wish *wish, const char *verb,
                         const char *attributes, struct fault *fault)
{
    PGconn *connection = script->connection;
    char *verifier = PQencryptPasswordConn(connection, wish->password, wish->role, "scram-sha-256");
    char *literal = verifier == NULL ? NULL : PQescapeLiteral(connection, verifier, strlen(verifier));
    char *role = quoted(connection, wish->role);
    bool made = literal != NULL;

    if (made)
        add(script, "%s ROLE %s %sPASSWORD %s", verb, role, attributes, literal);
    else
        fault_set(fault, "58000", "the password could not be made into a verifier: %s",
                  PQerrorMessage(connection));
    if (verifier != NULL)
        explicit_bzero(verifier, strlen(verifier));
    if (literal != NULL)
        explicit_bzero(literal, strlen(literal));
    PQfreemem(verifier);
    PQfreemem(role);
    PQfreemem(literal);
    return made;
}

static bool role_repair(struct setup_script *script, const struct setup_wish *wish, const PGresult *rows,
                        struct fault *fault)
{
    char *role;

    if (is_true(rows, 0, 1)) {
        fault_set(fault, "42501", "the role \"%s\" is a superuser, which the gateway must not be",
                  wish->role);
        return fault_hint(fault, "Name another role with --role; it is made when it does not exist.");
    }
    if (!is_true(rows, 0, 0)) {
        role = quoted(script->connection, wish->role);
        add(script, "ALTER ROLE %s LOGIN", role);
        PQfreemem(role);
    }
    if (wish->password_given && !setup_password_matches(wish->password, PQgetvalue(rows, 0, 2)))
        return add_password(script, wish, "ALTER", "", fault);
    return true;
}

static bool secrets_are_readable(struct setup_script *script, struct fault *fault)
{
    PGresult *rows = ask(script->connection,
                         "SELECT pg_catalog.has_table_privilege('pg_catalog.pg_authid', 'SELECT'),"
                         " current_user",
                         NULL, NULL, fault);
    bool readable = rows != NULL && is_true(rows, 0, 0);

    if (rows != NULL && !readable) {
        fault_set(fault, "42501", "the role \"%s\" may not read pg_authid, nor could a function of its own",
                  PQgetvalue(rows, 0, 1));
        fault_hint(fault, "Connect as a superuser.");
    }
    PQclear(rows);
    return readable;
}

bool setup_plan_role(struct setup_script *script, const struct setup_wish *wish, struct fault *fault)
{
    PGresult *rows;
    bool planned;

    if (!secrets_are_readable(script, fault))
        return false;
    rows = ask(script->connection,
               "SELECT rolcanlogin, rolsuper, rolpassword FROM pg_catalog.pg_authid WHERE rolname = $1",
               wish->role, NULL, fault);
    if (rows == NULL)
        return false;
    script->role_is_missing = PQntuples(rows) == 0;
    script->makes_role = script->role_is_missing;
    if (script->role_is_missing)
        planned = add_password(script, wish, "CREATE",
                               "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS\n  ",
                               fault);
    else
        planned = role_repair(script, wish, rows, fault);
    PQclear(rows);
    return planned;
}

/* Revokes from everybody whom the query names, by name, or PUBLIC when that is NULL. */
static bool revoke(struct setup_script *script, const char *what, const char *query, const char *role,
                   struct fault *fault)
{
    PGresult *rows = ask(script->connection, query, role, NULL, fault);

    for (int i = 0; rows != NULL && i < PQntuples(rows); i++) {
        char *name = quoted(script->connection, PQgetvalue(rows, i, 0));

        if (script->count + 8 > SETUP_STATEMENTS_MAX) {
            PQfreemem(name);
            PQclear(rows);
            return fault_set(fault, "54000", "%s is granted to too many roles; revoke that first", what);
        }
        add(script, "REVOKE ALL ON %s FROM %s", what, PQgetisnull(rows, i, 0) ? "PUBLIC" : name);
        PQfreemem(name);
    }
    PQclear(rows);
    return rows != NULL;
}

static bool somebody_elses(const char *what, const char *owner, struct fault *fault)
{
    fault_set(fault, "42501", "%s is owned by \"%s\", who could make it answer anything", what, owner);
    return fault_hint(fault, "Drop it, or make it your own by ALTER ... OWNER TO, once you know what it is.");
}

static const char schema_question[] =
    "SELECT r.rolname, r.rolsuper OR r.rolname = current_user FROM pg_catalog.pg_namespace AS n"
    " JOIN pg_catalog.pg_roles AS r ON r.oid = n.nspowner WHERE n.nspname = 'pgsluice'";

/* Everything that PUBLIC has, and whoever else may create. */
static const char schema_grants[] =
    "SELECT DISTINCT r.rolname FROM pg_catalog.pg_namespace AS n, pg_catalog.aclexplode(n.nspacl) AS g"
    " LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = g.grantee WHERE n.nspname = 'pgsluice'"
    " AND g.grantee <> n.nspowner AND (g.grantee = 0 OR g.privilege_type = 'CREATE')";

static const char schema_missing[] =
    "SELECT FROM pg_catalog.pg_namespace AS n, pg_catalog.aclexplode(n.nspacl) AS g"
    " JOIN pg_catalog.pg_roles AS r ON r.oid = g.grantee WHERE n.nspname = 'pgsluice' AND r.rolname = $1"
    " AND g.privilege_type = 'USAGE' AND NOT EXISTS (SELECT FROM pg_catalog.aclexplode(n.nspacl) AS c"
    " WHERE c.grantee = g.grantee AND c.privilege_type = 'CREATE')";

/* Grants unless the query has a row, which says that it is so. */
static bool grant(struct setup_script *script, const char *what, const char *query, const char *role,
                  struct fault *fault)
{
    PGresult *rows = ask(script->connection, query, role, NULL, fault);
    char *name = quoted(script->connection, role);

    if (rows != NULL && PQntuples(rows) == 0)
        add(script, "GRANT %s TO %s", what, name);
    PQfreemem(name);
    PQclear(rows);
    return rows != NULL;
}

static bool plan_schema(struct setup_script *script, const struct setup_wish *wish, struct fault *fault)
{
    PGresult *rows = ask(script->connection, schema_question, NULL, NULL, fault);
    bool planned = rows != NULL;

    if (rows != NULL && PQntuples(rows) == 0)
        add(script, "CREATE SCHEMA pgsluice");
    else if (rows != NULL && !is_true(rows, 0, 1))
        planned = somebody_elses("the schema pgsluice", PQgetvalue(rows, 0, 0), fault);
    PQclear(rows);
    return planned && revoke(script, "SCHEMA pgsluice", schema_grants, NULL, fault) &&
           grant(script, "USAGE ON SCHEMA pgsluice", schema_missing, wish->role, fault);
}

#define THE_FUNCTION                                                                                 \
    " FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace"      \
    " JOIN pg_catalog.pg_roles AS r ON r.oid = p.proowner"                                           \
    " JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang"

#define WHICH_IS                                                                                     \
    " WHERE n.nspname = 'pgsluice' AND p.proname = 'user_secret' AND p.pronargs = 1"                 \
    " AND p.proargtypes[0] = 'pg_catalog.text'::pg_catalog.regtype"

/* Owner, whether it is to be trusted, whether CREATE OR REPLACE can mend it, whether there is nothing to. */
static const char function_question[] =
    "SELECT r.rolname, r.rolsuper OR r.rolname = current_user,"
    " p.prokind = 'f' AND pg_catalog.pg_get_function_arguments(p.oid) = 'text'"
    " AND pg_catalog.pg_get_function_result(p.oid) = 'TABLE(name text, secret text)',"
    " p.prosrc = $1 AND p.prosecdef AND p.provolatile = 's' AND NOT p.proisstrict AND l.lanname = 'sql'"
    " AND p.proconfig = ARRAY['search_path=pg_catalog, pg_temp']" THE_FUNCTION WHICH_IS;

static const char function_grants[] =
    "SELECT DISTINCT g_r.rolname" THE_FUNCTION
    " CROSS JOIN pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) AS g"
    " LEFT JOIN pg_catalog.pg_roles AS g_r ON g_r.oid = g.grantee" WHICH_IS
    " AND g.grantee <> p.proowner AND g_r.rolname IS DISTINCT FROM $1";

static const char function_missing[] =
    "SELECT" THE_FUNCTION " CROSS JOIN pg_catalog.aclexplode(p.proacl) AS g"
    " JOIN pg_catalog.pg_roles AS g_r ON g_r.oid = g.grantee" WHICH_IS
    " AND g.privilege_type = 'EXECUTE' AND g_r.rolname = $1";

static void add_function(struct setup_script *script, const char *body)
{
    add(script,
        "CREATE OR REPLACE FUNCTION pgsluice.user_secret(pg_catalog.text)\n"
        "  RETURNS TABLE (name pg_catalog.text, secret pg_catalog.text)\n"
        "  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp\n"
        "  AS $body$%s$body$",
        body);
}

/* *is_new: there is none yet, or none that can stay. */
static bool plan_function(struct setup_script *script, const char *body, bool *is_new, struct fault *fault)
{
    PGresult *rows = ask(script->connection, function_question, body, NULL, fault);
    bool planned = rows != NULL;

    if (rows == NULL)
        return false;
    *is_new = PQntuples(rows) == 0 || !is_true(rows, 0, 2);
    if (PQntuples(rows) == 0) {
        add_function(script, body);
    } else if (!is_true(rows, 0, 1)) {
        planned = somebody_elses("the function pgsluice.user_secret(text)", PQgetvalue(rows, 0, 0), fault);
    } else if (!is_true(rows, 0, 2)) {
        add(script, "DROP FUNCTION pgsluice.user_secret(pg_catalog.text)");
        add_function(script, body);
    } else if (!is_true(rows, 0, 3)) {
        add_function(script, body);
    }
    PQclear(rows);
    return planned;
}

static bool plan_connect(struct setup_script *script, const struct setup_wish *wish, struct fault *fault)
{
    const char *role = script->role_is_missing ? "public" : wish->role;
    PGresult *rows = ask(script->connection,
                         "SELECT current_database(), pg_catalog.has_database_privilege($1::pg_catalog.text,"
                         " current_database()::pg_catalog.text, 'CONNECT')",
                         role, NULL, fault);

    if (rows != NULL && !is_true(rows, 0, 1)) {
        char *database = quoted(script->connection, PQgetvalue(rows, 0, 0));
        char *name = quoted(script->connection, wish->role);

        add(script, "GRANT CONNECT ON DATABASE %s TO %s", database, name);
        PQfreemem(database);
        PQfreemem(name);
    }
    PQclear(rows);
    return rows != NULL;
}

#define FUNCTION "FUNCTION pgsluice.user_secret(pg_catalog.text)"

bool setup_plan_database(struct setup_script *script, const struct setup_wish *wish, struct fault *fault)
{
    bool is_new = false;
    char *role;

    if (!secrets_are_readable(script, fault) || !plan_connect(script, wish, fault) ||
        !plan_schema(script, wish, fault) ||
        !plan_function(script, wish->superusers ? body_for_all : body_without_superusers, &is_new, fault))
        return false;
    if (!is_new)
        return revoke(script, FUNCTION, function_grants, wish->role, fault) &&
               grant(script, "EXECUTE ON " FUNCTION, function_missing, wish->role, fault);
    role = quoted(script->connection, wish->role);
    add(script, "REVOKE ALL ON " FUNCTION " FROM PUBLIC");
    add(script, "GRANT EXECUTE ON " FUNCTION " TO %s", role);
    PQfreemem(role);
    return true;
}
