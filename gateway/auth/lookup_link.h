/* SPDX-License-Identifier: PostgreSQL
 * lookup_link - one connection to PostgreSQL that asks one question about a user at a time, by libpq without
 * blocking. Main thread. It decides nothing about when to connect, to ask again or to give up. */
#pragma once

#include <ev.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/auth/lookup_cache.h"
#include "gateway/base/fault.h"
#include "gateway/base/list.h"

struct lookup_place;

enum { LOOKUP_ROLES_MAX = 1000 };

enum link_state { LINK_CONNECTING, LINK_IDLE, LINK_ASKING };

/* All but the first two tell why in `fault`. After LOST and SPOILED the owner closes the link; it may not
 * within other news. */
enum link_news {
    LINK_READY,    /* connected */
    LINK_ANSWERED, /* `found` has the answer */
    LINK_FAILED,   /* the query failed; the connection is as good as before */
    LINK_SPOILED,  /* the answer is not one, and the rest of it is not worth reading */
    LINK_LOST      /* the connection could not be made, or is gone */
};

struct lookup_link {
    struct list link;      /* the owner's */
    enum link_state state;
    uint64_t since_us;     /* when it entered the state, by the owner's clock */
    void *owner, *asker;
    void (*news)(struct lookup_link *link, enum link_news news); /* the last thing that is done */
    struct lookup_text found; /* the owner may take it; else it goes with the next question */
    struct fault fault;
    struct ev_loop *loop;
    ev_io io;
    PGconn *connection;
    struct lookup_key key; /* what is asked; the user's name is the asker's */
    int rows;
};

/* Begins to connect. NULL with a fault when that fails at once; else there will be news. */
struct lookup_link *lookup_link_open(struct ev_loop *loop, const struct lookup_place *place, void *owner,
                                     void (*news)(struct lookup_link *, enum link_news), struct fault *fault);
/* Ends the connection and frees the link, whatever it does. No news come of it. */
void lookup_link_close(struct lookup_link *link);

/* An idle link asks; $1 of the query is the user, who must stay until there are news. False with a fault: the
 * connection is gone, no news come. */
bool lookup_link_ask(struct lookup_link *link, const char *query, const struct lookup_key *key, void *asker);
