/* SPDX-License-Identifier: PostgreSQL
 * lookup_link - a query_link that asks one question about a user at a time. Main thread. It decides nothing
 * about when to connect, to ask again or to give up. */
#pragma once

#include <stdbool.h>

#include "gateway/auth/lookup_cache.h"
#include "gateway/base/list.h"
#include "gateway/control/query_link.h"
#include "router/budget.h"

struct lookup_place;

enum { LOOKUP_ROLES_MAX = 1000 };

struct lookup_link {
    struct query_link query;
    struct list link;         /* the owner's */
    struct budget_slot slot;  /* its place among PostgreSQL's connections */
    void *owner, *asker;
    void (*news)(struct lookup_link *link, enum link_news news); /* the last thing that is done */
    struct lookup_text found; /* the owner may take it; else it goes with the next question */
    struct lookup_key key;    /* what is asked; the user's name is the asker's */
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
