/* SPDX-License-Identifier: PostgreSQL
 * lookup_server - the real PostgreSQL of unit tests, and an administrator's connection to it.
 * PGSLUICE_TEST_PG is "/socket/directory:PORT"; without it, tests are skipped. */
#pragma once

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"

static inline const char *scene_server(void)
{
    return getenv("PGSLUICE_TEST_PG");
}

/* The port of the server, behind the last colon. */
static inline const char *scene_port(void)
{
    return strrchr(scene_server(), ':') + 1;
}

static PGconn *administrator;

/* A superuser runs one statement; the first value of its result, or "". */
static inline const char *scene_sql(const char *statement)
{
    static char value[1024];
    char conninfo[600];
    PGresult *result;

    if (administrator == NULL) {
        snprintf(conninfo, sizeof conninfo, "host=127.0.0.1 port=%s user=postgres dbname=postgres",
                 scene_port());
        administrator = PQconnectdb(conninfo);
    }
    result = PQexec(administrator, statement);
    if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
        fputs(PQerrorMessage(administrator), stderr);
    CHECK(PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_TUPLES_OK);
    snprintf(value, sizeof value, "%s", PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    return value;
}

/* How many connections PostgreSQL has from the look-ups. */
static inline int scene_connections(void)
{
    return atoi(scene_sql("select count(*) from pg_stat_activity where application_name = 'pgsluice auth'"));
}

/* The server as a configuration names it: over TCP. */
static inline const char *tcp(void)
{
    static char hosts[100];

    snprintf(hosts, sizeof hosts, "\"127.0.0.1:%s\"", scene_port());
    return hosts;
}

#define VERIFIER "SCRAM-SHA-256$"
#define NO_CACHE "auth_cache_ttl = \"0s\";"

/* A query of one's own, as auth_query is written in the configuration. */
#define QUERY(text) "auth_query = \"" text "\";" NO_CACHE

static inline bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}
