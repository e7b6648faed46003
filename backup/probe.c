/* SPDX-License-Identifier: PostgreSQL
 * probe - proves that the gateway gives sessions of their own, not turns on a pool's shared servers.
 *
 * The session asks who serves it, leaving nothing behind. Then a second session opens a transaction: a
 * transaction pool must give it a server, and the one that was just returned is the first it has. When the
 * session speaks again outside a transaction, a pool can only give it another server, or make it wait. A
 * pool that hands out servers in turn moves the session by itself, and with every further rival it has fewer
 * servers left to hide behind. */
#include "backup/probe.h"

#include <stdio.h>
#include <string.h>

#include "backup/failure.h"
#include "backup/session.h"
#include "gateway/base/arena.h"
#include "gateway/base/check.h"

enum { RIVALS = 3, ANSWER_SECONDS = 5 };

struct probe {
    struct session *session;
    struct session rivals[RIVALS];
    int rival_count;
    const char *backend; /* process id that the first statement saw */
    struct arena *arena;
};

static const char backend_sql[] = "SELECT pg_catalog.pg_backend_pid()";

static bool pool_refuse(struct fault *fault, const char *what)
{
    failure_set(fault, FAILURE_POOLED,
                "The gateway of this job is a transaction pool: %s. A dump through a pool can be "
                "incomplete without any error, so nothing was started.",
                what);
    return fault_hint(
        fault, "Let gateway name the direct port of pgsluice (6433 by default) or PostgreSQL itself.");
}

/* Asks the session outside a transaction who serves it now. */
static bool session_ask(struct probe *probe, struct fault *fault)
{
    const char *answer = session_value(probe->session, backend_sql, probe->arena, fault);

    if (answer == NULL && failure_of(fault) == FAILURE_ADMISSION)
        return pool_refuse(fault, "while other sessions held a transaction, an open one got no answer");
    if (answer == NULL)
        return false;
    return strcmp(answer, probe->backend) == 0 ||
           pool_refuse(fault, "two statements of one session ran on different servers");
}

/* A pool that is full makes it wait; a statement pool takes no transactions at all. */
static bool rival_explain(const struct probe *probe, struct fault *fault)
{
    if (failure_of(fault) == FAILURE_STOPPED)
        return false;
    if (failure_of(fault) != FAILURE_ADMISSION)
        return pool_refuse(fault, "it lets no session begin a transaction");
    return fault_hint(fault, "A dump needs several sessions at once; the gateway gave only %d.",
                      probe->rival_count);
}

static bool rival_enter(struct probe *probe, const struct session_target *target, struct fault *fault)
{
    struct session *rival = &probe->rivals[probe->rival_count];
    const char *backend;

    if (!session_open(rival, target, fault))
        return false;
    probe->rival_count++;
    rival->timeout_us = ANSWER_SECONDS * 1000000u;
    if (!session_command(rival, "BEGIN", fault))
        return rival_explain(probe, fault);
    backend = session_value(rival, backend_sql, probe->arena, fault);
    if (backend == NULL)
        return false;
    return strcmp(backend, probe->backend) != 0 ||
           pool_refuse(fault, "two sessions were served by the same server");
}

/* libpq was told the backend's process id in BackendKeyData. A pool has to invent one. */
static bool session_is_plain(const struct probe *probe)
{
    char told[16];

    snprintf(told, sizeof told, "%d", PQbackendPID(probe->session->conn));
    return strcmp(told, probe->backend) == 0;
}

bool probe_session(struct session *session, const struct session_target *target, struct fault *fault)
{
    struct probe probe = { .session = session, .arena = arena_new() };
    uint64_t usual = session->timeout_us;
    int rivals;
    bool ok;

    CHECK(probe.arena != NULL);
    session->timeout_us = ANSWER_SECONDS * 1000000u;
    probe.backend = session_value(session, backend_sql, probe.arena, fault);
    ok = probe.backend != NULL && session_ask(&probe, fault);
    rivals = ok && session_is_plain(&probe) ? 1 : RIVALS;
    while (ok && probe.rival_count < rivals)
        ok = rival_enter(&probe, target, fault) && session_ask(&probe, fault);
    for (int i = 0; i < probe.rival_count; i++)
        session_close(&probe.rivals[i]);
    session->timeout_us = usual;
    arena_free(probe.arena);
    return ok;
}
