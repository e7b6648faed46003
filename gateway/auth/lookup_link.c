/* SPDX-License-Identifier: PostgreSQL
 * lookup_link - one connection to PostgreSQL that asks one question about a user at a time, by libpq without
 * blocking. Source: PostgreSQL manual "Asynchronous Command Processing", "Retrieving Query Results
 * Row-by-Row". */
#include "gateway/auth/lookup_link.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/auth/lookup_place.h"
#include "gateway/auth/secret.h"
#include "gateway/auth/users.h"
#include "gateway/base/check.h"
#include "gateway/base/log.h"

static void on_io(struct ev_loop *loop, ev_io *io, int events);

/* libpq may have another socket than before, even under the same number. */
static void watch(struct lookup_link *link, int events)
{
    ev_io_stop(link->loop, &link->io);
    ev_io_set(&link->io, PQsocket(link->connection), events);
    ev_io_start(link->loop, &link->io);
}

/* libpq's first line. */
static void reason_set(struct fault *fault, const char *sqlstate, const char *sentence)
{
    fault_set(fault, sqlstate, "%.*s", (int)strcspn(sentence, "\n"), sentence);
}

static void tell_lost(struct lookup_link *link)
{
    reason_set(&link->fault, "08006", PQerrorMessage(link->connection));
    link->news(link, LINK_LOST);
}

static void notice(void *unused, const char *text)
{
    (void)unused;
    log_debug("lookup", "PostgreSQL says: %s", text);
}

struct lookup_link *lookup_link_open(struct ev_loop *loop, const struct lookup_place *place, void *owner,
                                     void (*news)(struct lookup_link *, enum link_news), struct fault *fault)
{
    struct lookup_link *link = calloc(1, sizeof *link);
    PGconn *connection = link == NULL ? NULL : PQconnectStartParams(place->names, place->values, 0);

    if (connection == NULL || PQstatus(connection) == CONNECTION_BAD) {
        reason_set(fault, "08001", connection == NULL ? "out of memory" : PQerrorMessage(connection));
        PQfinish(connection);
        free(link);
        return NULL;
    }
    PQsetNoticeProcessor(connection, notice, NULL);
    list_init(&link->link);
    link->loop = loop;
    link->owner = owner;
    link->news = news;
    link->connection = connection;
    ev_init(&link->io, on_io);
    link->io.data = link;
    watch(link, EV_WRITE);
    return link;
}

void lookup_link_close(struct lookup_link *link)
{
    ev_io_stop(link->loop, &link->io);
    PQfinish(link->connection);
    lookup_text_free(&link->found);
    free(link);
}

/* Sends what is not sent yet and waits for more. */
static bool flush(struct lookup_link *link)
{
    int left = PQflush(link->connection);

    if (left < 0)
        return false;
    watch(link, left > 0 ? EV_READ | EV_WRITE : EV_READ);
    return true;
}

static void connect_further(struct lookup_link *link)
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

bool lookup_link_ask(struct lookup_link *link, const char *query, const struct lookup_key *key, void *asker)
{
    const char *values[] = { key->user };

    CHECK(link->state == LINK_IDLE);
    lookup_text_free(&link->found);
    memset(&link->fault, 0, sizeof link->fault);
    link->key = *key;
    link->asker = asker;
    link->rows = 0;
    link->state = LINK_ASKING;
    if (PQsendQueryParams(link->connection, query, 1, NULL, values, NULL, NULL, 0) == 1 &&
        PQsetSingleRowMode(link->connection) == 1 && flush(link))
        return true;
    reason_set(&link->fault, "08006", PQerrorMessage(link->connection));
    return false;
}

static bool secret_take(struct lookup_link *link, PGresult *result)
{
    char *secret = PQgetvalue(result, 0, 1);
    size_t bytes = (size_t)PQgetlength(result, 0, 1) + 1;
    struct lookup_text text = { secret, bytes };
    bool taken = true;

    if (link->rows > 1)
        return fault_set(&link->fault, "21000", "auth_query gave more rows than the one that was expected");
    if (PQgetisnull(result, 0, 0))
        return true; /* what a function without SETOF gives for nobody */
    if (strcmp(PQgetvalue(result, 0, 0), link->key.user) != 0)
        return fault_set(&link->fault, "42804", "auth_query gave a row of another user than was asked for");
    if (bytes > SECRET_MAX_BYTES + 1)
        taken = fault_set(&link->fault, "54000", "auth_query gave a secret above %d bytes", SECRET_MAX_BYTES);
    else if (bytes > 1 && !lookup_text_copy(&text, &link->found))
        taken = fault_set(&link->fault, "53200", "out of memory");
    explicit_bzero(secret, bytes);
    return taken;
}

static bool role_take(struct lookup_link *link, const PGresult *result)
{
    size_t bytes = (size_t)PQgetlength(result, 0, 0) + 1;
    char *longer;

    if (link->rows > LOOKUP_ROLES_MAX || bytes > USERS_NAME_MAX_BYTES + 1)
        return fault_set(&link->fault, "54000", "the user has more than %d roles", LOOKUP_ROLES_MAX);
    longer = realloc(link->found.text, link->found.bytes + bytes);
    if (longer == NULL)
        return fault_set(&link->fault, "53200", "out of memory");
    memcpy(longer + link->found.bytes, PQgetvalue(result, 0, 0), bytes);
    link->found.text = longer;
    link->found.bytes += bytes;
    return true;
}

/* A name that is no text in the database's encoding is the name of no user. */
static bool error_take(struct lookup_link *link, const PGresult *result)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    bool five = sqlstate != NULL && strlen(sqlstate) == 5;

    if (five && (strcmp(sqlstate, "22021") == 0 || strcmp(sqlstate, "22P05") == 0))
        lookup_text_free(&link->found);
    else
        reason_set(&link->fault, five ? sqlstate : "08P01", PQresultErrorMessage(result));
    return true;
}

/* False with a fault when there is no sense in reading on. */
static bool result_take(struct lookup_link *link, PGresult *result)
{
    int columns = link->key.kind == LOOKUP_SECRET ? 2 : 1;
    ExecStatusType status = PQresultStatus(result);

    if (status == PGRES_FATAL_ERROR)
        return error_take(link, result);
    if (status != PGRES_SINGLE_TUPLE && status != PGRES_TUPLES_OK)
        return fault_set(&link->fault, "42804", "auth_query gave no rows but \"%s\"; a SELECT was expected",
                         PQresStatus(status));
    if (PQnfields(result) != columns)
        return fault_set(&link->fault, "42804", "auth_query gave %d columns; name and secret were expected",
                         PQnfields(result));
    if (status == PGRES_TUPLES_OK) /* the end of the rows */
        return true;
    link->rows++;
    return columns == 2 ? secret_take(link, result) : role_take(link, result);
}

static void finish(struct lookup_link *link)
{
    if (PQstatus(link->connection) != CONNECTION_OK) {
        tell_lost(link);
        return;
    }
    link->state = LINK_IDLE;
    link->news(link, *link->fault.message == '\0' ? LINK_ANSWERED : LINK_FAILED);
}

static void results_take(struct lookup_link *link)
{
    while (PQisBusy(link->connection) == 0) {
        PGresult *result = PQgetResult(link->connection);
        bool taken;

        if (result == NULL) {
            finish(link);
            return;
        }
        taken = result_take(link, result);
        PQclear(result);
        if (!taken) {
            link->news(link, LINK_SPOILED);
            return;
        }
    }
}

static void on_io(struct ev_loop *loop, ev_io *io, int events)
{
    struct lookup_link *link = io->data;

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
