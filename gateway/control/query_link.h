/* SPDX-License-Identifier: PostgreSQL
 * query_link - one connection to PostgreSQL that asks one question at a time, by libpq without blocking, in
 * the main thread's loop. It decides nothing about when to connect, to ask again or to give up. */
#pragma once

#include <ev.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/fault.h"

enum link_state { LINK_CONNECTING, LINK_IDLE, LINK_ASKING };

/* All but the first two tell why in `fault`. After LOST and SPOILED the owner closes the link; it may not
 * within other news. */
enum link_news {
    LINK_READY,    /* connected */
    LINK_ANSWERED, /* all rows were taken */
    LINK_FAILED,   /* the query failed; the connection is as good as before */
    LINK_SPOILED,  /* the answer is not one, and the rest of it is not worth reading */
    LINK_LOST      /* the connection could not be made, or is gone */
};

/* Embedded in the owner's own struct. */
struct query_link {
    enum link_state state;
    uint64_t since_us; /* when it entered the state, by the owner's clock */
    void (*news)(struct query_link *link, enum link_news news); /* the last thing that is done */
    /* One result of the query: a row, the end of the rows, or an error. False with a fault when there is no
     * sense in reading on; a fault set with true is told when everything was read. */
    bool (*take)(struct query_link *link, PGresult *result);
    struct fault fault;
    struct ev_loop *loop;
    ev_io io;
    PGconn *connection;
};

/* libpq's first line, or that of an error in an answer. */
void query_link_reason(struct fault *fault, const char *sqlstate, const char *sentence);
/* The same from a result that is an error. */
void query_link_error(struct fault *fault, const PGresult *result);

/* Begins to connect; `news` and `take` are set already. False with a fault when that fails at once; else
 * there will be news. */
bool query_link_open(struct query_link *link, struct ev_loop *loop, const char *const *names,
                     const char *const *values, struct fault *fault);
/* Ends the connection, whatever it does. No news come of it. */
void query_link_close(struct query_link *link);

/* An idle link asks, with one parameter ($1). False with a fault: the connection is gone, no news come. */
bool query_link_ask(struct query_link *link, const char *query, const char *parameter);
