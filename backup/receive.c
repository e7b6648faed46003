/* SPDX-License-Identifier: PostgreSQL
 * receive - a supervised pg_receivewal: started again when it ends, its segments moved into the store, its
 * replication slot watched. */
#include "backup/receive.h"

#include <ctype.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backup/failure.h"
#include "backup/gateway_session.h"
#include "backup/options.h"
#include "backup/pipeline.h"
#include "backup/repository.h"
#include "backup/service.h"
#include "backup/text.h"
#include "backup/tools.h"
#include "backup/walstore.h"
#include "backup/work.h"
#include "gateway/base/arena.h"
#include "gateway/base/check.h"
#include "gateway/base/clock.h"

enum { SLOT = 64, WATCH_US = 10000000, REMIND_US = 60000000, PAUSE_MAX_US = 60000000 };

struct receiver {
    const struct runner_options *options;
    const struct job_options *job;
    struct repository repository;
    struct walstore store;
    struct pipeline pipeline;
    struct work work;
    struct arena *arena; /* of one connection */
    struct session control;
    struct service service;
    struct tool tool;
    char slot[SLOT], application[SLOT];
    uint64_t watched_us, reminded_us;
};

/* Slot names have lower-case letters, digits and underscores. */
static void names_make(struct receiver *receiver)
{
    snprintf(receiver->slot, sizeof receiver->slot, "pgsluice_%s", receiver->job->name);
    for (char *at = receiver->slot; *at != '\0'; at++)
        *at = isalnum((unsigned char)*at) ? (char)tolower((unsigned char)*at) : '_';
    snprintf(receiver->application, sizeof receiver->application, "pgsluice-backup/%s/wal",
             receiver->job->name);
}

static bool slot_ensure(struct receiver *receiver, struct fault *fault)
{
    const char *name = session_literal(&receiver->control, receiver->slot, receiver->arena);
    const char *sql = arena_format(receiver->arena,
                                   "SELECT CASE WHEN EXISTS (SELECT FROM pg_replication_slots"
                                   " WHERE slot_name = %s) THEN ''"
                                   " ELSE pg_create_physical_replication_slot(%s, true)::text END",
                                   name, name);

    return session_value(&receiver->control, sql, receiver->arena, fault) != NULL;
}

static bool connection_make(struct receiver *receiver, struct fault *fault)
{
    struct session_target target = { .conninfo = receiver->options->gateway,
                                     .application = receiver->application,
                                     .pulse = &receiver->work.pulse };
    struct server_facts facts;

    return gateway_session_open(&receiver->control, &target, &facts, receiver->arena, fault) &&
           tools_find(receiver->options->bin_directory, "pg_receivewal",
                      tools_major((int)facts.version_number), receiver->arena, &receiver->tool, fault) &&
           slot_ensure(receiver, fault) &&
           service_open(&receiver->service, receiver->control.conn, receiver->application, fault);
}

static bool program_start(struct receiver *receiver, struct fault *fault)
{
    const char *argv[] = { receiver->tool.path,
                           "--no-password",
                           "--no-loop",
                           arena_format(receiver->arena, "--slot=%s", receiver->slot),
                           arena_format(receiver->arena, "--directory=%s", receiver->store.incoming),
                           NULL };
    struct command command = { .path = receiver->tool.path,
                               .argv = argv,
                               .env = receiver->service.env,
                               .keep_fd = receiver->service.fd };

    return work_start(&receiver->work, &command, FAILURE_WAL, fault);
}

static bool loss_explain(const struct receiver *receiver, struct fault *fault)
{
    failure_set(fault, FAILURE_WAL_LOST,
                "The replication slot %s is gone, or the server removed WAL that it should have kept.",
                receiver->slot);
    return fault_hint(fault, "Drop the slot if it is there, start the receiver and make a new base backup; "
                             "see max_slot_wal_keep_size.");
}

static void lag_judge(struct receiver *receiver, const char *status, int64_t lag, const char *safe)
{
    uint64_t now_us = clock_now_us();
    char text[TEXT_SHORT];

    if ((lag < receiver->job->wal_lag_warn && strcmp(status, "unreserved") != 0) ||
        now_us - receiver->reminded_us < REMIND_US)
        return;
    receiver->reminded_us = now_us;
    text_print(stdout,
               "WARNING: the replication slot %s keeps %s of WAL on the server (wal_status %s%s%s bytes)\n",
               receiver->slot, text_size(text, lag < 0 ? 0 : (uint64_t)lag), status,
               safe[0] == '\0' ? "" : ", safe_wal_size ", safe);
    fflush(stdout);
}

static bool slot_watch(struct receiver *receiver, struct fault *fault)
{
    const char *sql = arena_format(
        receiver->arena,
        "SELECT coalesce(wal_status, ''), coalesce(pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN "
        "pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, restart_lsn)::bigint, 0), "
        "coalesce(safe_wal_size::text, '') FROM pg_replication_slots WHERE slot_name = %s",
        session_literal(&receiver->control, receiver->slot, receiver->arena));
    PGresult *rows;
    bool ok;

    if (clock_now_us() - receiver->watched_us < WATCH_US)
        return true;
    receiver->watched_us = clock_now_us();
    rows = session_rows(&receiver->control, sql, 3, fault);
    if (rows == NULL)
        return false;
    ok = PQntuples(rows) == 1 && strcmp(PQgetvalue(rows, 0, 0), "lost") != 0;
    if (ok)
        lag_judge(receiver, PQgetvalue(rows, 0, 0), strtoll(PQgetvalue(rows, 0, 1), NULL, 10),
                  PQgetvalue(rows, 0, 2));
    PQclear(rows);
    if (ok)
        return true;
    return loss_explain(receiver, fault);
}

/* Ends with a fault only, if it is that of a stop. */
static bool segments_receive(struct receiver *receiver, struct fault *fault)
{
    int taken;

    while (walstore_take(&receiver->store, &receiver->pipeline, &receiver->work, &taken, fault) &&
           slot_watch(receiver, fault)) {
        if (!child_running(&receiver->work.child) && child_succeeded(&receiver->work.child))
            return failure_set(fault, FAILURE_WAL, "pg_receivewal ended by itself.");
        poll(NULL, 0, PULSE_MS);
        if (!pulse_beat(&receiver->work.pulse, fault))
            return false;
    }
    return false;
}

static void connection_try(struct receiver *receiver, struct fault *fault)
{
    receiver->arena = arena_new();
    CHECK(receiver->arena != NULL);
    if (connection_make(receiver, fault) && program_start(receiver, fault)) {
        text_print(stdout, "receiving WAL by slot %s\n", receiver->slot);
        fflush(stdout);
        segments_receive(receiver, fault);
        if (failure_of(fault) == FAILURE_BASE) /* reasons.def: a segment has already been removed */
            loss_explain(receiver, fault);
    }
    work_abandon(&receiver->work);
    service_close(&receiver->service);
    session_close(&receiver->control);
    arena_free(receiver->arena);
}

/* Time heals a connection that was lost, and a disk that was full. */
static bool is_passing(const struct fault *fault)
{
    enum failure failure = failure_of(fault);

    return failure == FAILURE_CONNECT || failure == FAILURE_ADMISSION || failure == FAILURE_WAL ||
           failure == FAILURE_CANCELED || failure == FAILURE_DISK_FULL || failure == FAILURE_OTHER;
}

static bool receive_loop(struct receiver *receiver, struct fault *fault)
{
    uint64_t pause_us = 1000000;

    while (!pulse_stopping()) {
        uint64_t began_us = clock_now_us(), until_us;

        connection_try(receiver, fault);
        if (pulse_stopping())
            break;
        if (!is_passing(fault))
            return false;
        if (clock_now_us() - began_us > PAUSE_MAX_US)
            pause_us = 1000000;
        text_print(stdout, "%s; again in %d s\n", fault->message, (int)(pause_us / 1000000));
        fflush(stdout);
        until_us = clock_now_us() + pause_us;
        while (clock_now_us() < until_us && !pulse_stopping())
            poll(NULL, 0, PULSE_MS);
        pause_us = pause_us * 2 > PAUSE_MAX_US ? PAUSE_MAX_US : pause_us * 2;
    }
    return true;
}

bool receive_run(const struct runner_options *options, const struct job_options *job, struct fault *fault)
{
    struct receiver receiver = { .options = options, .job = job, .service = { .fd = -1 } };
    bool ok;

    if (!job->wal)
        return failure_set(fault, FAILURE_CONFIG, "The job \"%s\" does not say wal = true.", job->name);
    names_make(&receiver);
    work_init(&receiver.work, true);
    if (!repository_open(&receiver.repository, options_repository(options, job->repository.items[0]),
                         job->name, true, fault))
        return false;
    ok = walstore_open(&receiver.store, &receiver.repository, true, fault) &&
         walstore_lock(&receiver.store, fault) && pipeline_of_job(&receiver.pipeline, job, fault) &&
         receive_loop(&receiver, fault);
    pipeline_wipe(&receiver.pipeline);
    walstore_close(&receiver.store);
    repository_close(&receiver.repository);
    return ok;
}
