/* SPDX-License-Identifier: PostgreSQL
 * lookup_link - a query_link that asks one question about a user at a time: what its rows may be. */
#include "gateway/auth/lookup_link.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/auth/lookup_place.h"
#include "gateway/auth/secret.h"
#include "gateway/auth/users.h"

static bool result_take(struct query_link *query, PGresult *result);

static void pass_on(struct query_link *query, enum link_news news)
{
    struct lookup_link *link = list_entry(query, struct lookup_link, query);

    if (news == LINK_READY)
        budget_seat(&link->slot, (uint32_t)PQbackendPID(query->connection));
    link->news(link, news);
}

struct lookup_link *lookup_link_open(struct ev_loop *loop, const struct lookup_place *place, void *owner,
                                     void (*news)(struct lookup_link *, enum link_news), struct fault *fault)
{
    struct lookup_link *link = calloc(1, sizeof *link);

    if (link == NULL) {
        fault_set(fault, "53200", "out of memory");
        return NULL;
    }
    list_init(&link->link);
    link->owner = owner;
    link->news = news;
    link->query.news = pass_on;
    link->query.take = result_take;
    if (!query_link_open(&link->query, loop, place->names, place->values, fault)) {
        free(link);
        return NULL;
    }
    budget_take_anyway(place->budget, SHARE_ADMIN, &link->slot);
    return link;
}

void lookup_link_close(struct lookup_link *link)
{
    query_link_close(&link->query);
    budget_give(&link->slot);
    lookup_text_free(&link->found);
    free(link);
}

bool lookup_link_ask(struct lookup_link *link, const char *query, const struct lookup_key *key, void *asker)
{
    lookup_text_free(&link->found);
    link->key = *key;
    link->asker = asker;
    link->rows = 0;
    return query_link_ask(&link->query, query, key->user);
}

static bool secret_take(struct lookup_link *link, PGresult *result)
{
    char *secret = PQgetvalue(result, 0, 1);
    size_t bytes = (size_t)PQgetlength(result, 0, 1) + 1;
    struct lookup_text text = { secret, bytes };
    bool taken = true;

    if (link->rows > 1)
        return fault_set(&link->query.fault, "21000",
                         "auth_query gave more rows than the one that was expected");
    if (PQgetisnull(result, 0, 0))
        return true; /* what a function without SETOF gives for nobody */
    if (strcmp(PQgetvalue(result, 0, 0), link->key.user) != 0)
        return fault_set(&link->query.fault, "42804",
                         "auth_query gave a row of another user than was asked for");
    if (bytes > SECRET_MAX_BYTES + 1)
        taken = fault_set(&link->query.fault, "54000", "auth_query gave a secret above %d bytes",
                          SECRET_MAX_BYTES);
    else if (bytes > 1 && !lookup_text_copy(&text, &link->found))
        taken = fault_set(&link->query.fault, "53200", "out of memory");
    explicit_bzero(secret, bytes);
    return taken;
}

static bool role_take(struct lookup_link *link, const PGresult *result)
{
    size_t bytes = (size_t)PQgetlength(result, 0, 0) + 1;
    char *longer;

    if (link->rows > LOOKUP_ROLES_MAX || bytes > USERS_NAME_MAX_BYTES + 1)
        return fault_set(&link->query.fault, "54000", "the user has more than %d roles", LOOKUP_ROLES_MAX);
    longer = realloc(link->found.text, link->found.bytes + bytes);
    if (longer == NULL)
        return fault_set(&link->query.fault, "53200", "out of memory");
    memcpy(longer + link->found.bytes, PQgetvalue(result, 0, 0), bytes);
    link->found.text = longer;
    link->found.bytes += bytes;
    return true;
}

/* A name that is no text in the database's encoding is the name of no user. */
static bool error_take(struct lookup_link *link, const PGresult *result)
{
    struct fault fault;

    query_link_error(&fault, result);
    if (strcmp(fault.sqlstate, "22021") == 0 || strcmp(fault.sqlstate, "22P05") == 0)
        lookup_text_free(&link->found);
    else
        link->query.fault = fault;
    return true;
}

static bool result_take(struct query_link *query, PGresult *result)
{
    struct lookup_link *link = list_entry(query, struct lookup_link, query);
    int columns = link->key.kind == LOOKUP_SECRET ? 2 : 1;
    ExecStatusType status = PQresultStatus(result);

    if (status == PGRES_FATAL_ERROR)
        return error_take(link, result);
    if (status != PGRES_SINGLE_TUPLE && status != PGRES_TUPLES_OK)
        return fault_set(&query->fault, "42804", "auth_query gave no rows but \"%s\"; a SELECT was expected",
                         PQresStatus(status));
    if (PQnfields(result) != columns)
        return fault_set(&query->fault, "42804", "auth_query gave %d columns; name and secret were expected",
                         PQnfields(result));
    if (status == PGRES_TUPLES_OK) /* the end of the rows */
        return true;
    link->rows++;
    return columns == 2 ? secret_take(link, result) : role_take(link, result);
}
