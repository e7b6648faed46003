/* SPDX-License-Identifier: PostgreSQL
 * query_link - one connection to PostgreSQL that asks one question at a time, by libpq without blocking.
 * Source: PostgreSQL manual "Asynchronous Command Processing", "Retrieving Query Results Row-by-Row". */
#include "gateway/control/query_link.h"

#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/log.h"

static void on_io(struct ev_loop *loop, ev_io *io, int events);

/* libpq may have another socket than before, even under the same number. */
static void watch(struct query_link *link, int events)
{
    ev_io_stop(link->loop, &link->io);
    ev_io_set(&link->io, PQsocket(link->connection), events);
    ev_io_start(link->loop, &link->io);
}

void query_link_reason(struct fault *fault, const char *sqlstate, const char *sentence)
{
    fault_set(fault, sqlstate, "%.*s", (int)strcspn(sentence, "\n"), sentence);
}

void query_link_error(struct fault *fault, const PGresult *result)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    bool five = sqlstate != NULL && strlen(sqlstate) == 5;

    query_link_reason(fault, five ? sqlstate : "08P01", PQresultErrorMessage(result));
}

static void tell_lost(struct query_link *link)
{
    query_link_reason(&link->fault, "08006", PQerrorMessage(link->connection));
    link->news(link, LINK_LOST);
}

static void notice(void *unused, const char *text)
{
    (void)unused;
    log_debug("lookup", "PostgreSQL says: %s", text);
}

bool query_link_open(struct query_link *link, struct ev_loop *loop, const char *const *names,
                     const char *const *values, struct fault *fault)
{
    PGconn *connection = PQconnectStartParams(names, values, 0);

    if (connection == NULL || PQstatus(connection) == CONNECTION_BAD) {
        query_link_reason(fault, "08001",
                          connection == NULL ? "out of memory" : PQerrorMessage(connection));
        PQfinish(connection);
        return false;
    }
    PQsetNoticeProcessor(connection, notice, NULL);
    link->state = LINK_CONNECTING;
    link->loop = loop;
    link->connection = connection;
    ev_init(&link->io, on_io);
    link->io.data = link;
    watch(link, EV_WRITE);
    return true;
}

void query_link_close(struct query_link *link)
{
    ev_io_stop(link->loop, &link->io);
    PQfinish(link->connection);
    link->connection = NULL;
}

/* Sends what is not sent yet and waits for more. */
static bool flush(struct query_link *link)
{
    int left = PQflush(link->connection);

    if (left < 0)
        return false;
    watch(link, left > 0 ? EV_READ | EV_WRITE : EV_READ);
    return true;
}

static void connect_further(struct query_link *link)
{
    PostgresPollingStatusType status = PQconnectPoll(link->connection);

    if (status == PGRES_POLLING_READING) {
        watch(link, EV_READ);
    } else if (status == PGRES_POLLING_WRITING) {
        watch(link, EV_WRITE);
    } else if (status == PGRES_POLLING_OK && PQsetnonblocking(link->connection, 1) == 0) {
        watch(link, EV_READ);
        link->state = LINK_IDLE;
        link->news(link, LINK_READY);
    } else {
        tell_lost(link);
    }
}

bool query_link_ask(struct query_link *link, const char *query, const char *parameter)
{
    CHECK(link->state == LINK_IDLE);
    memset(&link->fault, 0, sizeof link->fault);
    link->state = LINK_ASKING;
    if (PQsendQueryParams(link->connection, query, 1, NULL, &parameter, NULL, NULL, 0) == 1 &&
        PQsetSingleRowMode(link->connection) == 1 && flush(link))
        return true;
    query_link_reason(&link->fault, "08006", PQerrorMessage(link->connection));
    return false;
}

static void finish(struct query_link *link)
{
    if (PQstatus(link->connection) != CONNECTION_OK) {
        tell_lost(link);
        return;
    }
    link->state = LINK_IDLE;
    link->news(link, *link->fault.message == '\0' ? LINK_ANSWERED : LINK_FAILED);
}

static void results_take(struct query_link *link)
{
    while (PQisBusy(link->connection) == 0) {
        PGresult *result = PQgetResult(link->connection);
        bool taken;

        if (result == NULL) {
            finish(link);
            return;
        }
        taken = link->take(link, result);
        PQclear(result);
        if (!taken) {
            link->news(link, LINK_SPOILED);
            return;
        }
    }
}

static void on_io(struct ev_loop *loop, ev_io *io, int events)
{
    struct query_link *link = io->data;

    (void)loop;
    if (link->state == LINK_CONNECTING)
        connect_further(link);
    else if (((events & EV_READ) != 0 && PQconsumeInput(link->connection) == 0) || !flush(link))
        tell_lost(link);
    else if (link->state == LINK_ASKING)
        results_take(link);
    else
        PQisBusy(link->connection); /* reads notices and settings that came unasked */
}
