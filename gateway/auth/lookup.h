/* SPDX-License-Identifier: PostgreSQL
 * lookup - what PostgreSQL knows about a user: its secret by auth_query, the roles that it is a member of.
 * Workers ask by letter, the main thread runs the queries on connections of its own and answers by letter.
 * Nothing of a client reaches them but the user's name, as a parameter. Who waits with the same question
 * shares one query, never one that was sent before, and answers are kept for auth_cache_ttl: that there is
 * no login, for a second at most. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "gateway/auth/lookup_cache.h"
#include "gateway/base/fault.h"
#include "gateway/base/list.h"
#include "gateway/net/mailbox.h"

struct counters;
struct generation;
struct lookups;
struct upstream;

/* At most so many requests wait at a time; further ones fail with 53300. */
enum { LOOKUP_REQUESTS_MAX = 10000 };

/* NONE: the user does not exist or may not log in; for a client that must look like a wrong password.
 * FAILED: nobody knows; `fault` is for the client and does not tell why, the log does. */
enum lookup_outcome { LOOKUP_FOUND, LOOKUP_NONE, LOOKUP_FAILED };

/* One question. It belongs to who made it, but to main from lookup_send until `answered` is called. */
struct lookup_request {
    struct letter letter;
    struct list link;                /* [main] those who share a query */
    struct lookups *lookups;         /* [s] */
    struct generation *generation;   /* [s] whose settings count; a reference */
    struct lookup_key key;           /* [s] */
    /* Set before lookup_send. */
    struct mailbox *reply_to;        /* [s] the asking worker's */
    void (*answered)(struct lookup_request *request); /* [s] on the worker's thread */
    void *asker;                     /* [s] for `answered` */
    uint64_t deadline_us;            /* [s] by clock_now_us; 0 = after server_connect_timeout */
    bool abandoned;                  /* [w] instead of freeing it: that is done, unseen, on its return */
    /* The answer. */
    enum lookup_outcome outcome;
    struct lookup_text found;        /* LOOKUP_FOUND: for lookup_text_free, or left to lookup_request_free */
    struct fault fault;              /* LOOKUP_FAILED */
    bool from_cache;
    char user[];
};

/* On the main thread, before others start: the PGxxx variables leave the environment. Counters must outlive
 * it. NULL when out of memory. */
struct lookups *lookups_new(struct ev_loop *loop, struct generation *generation, struct counters *counters);
/* The newest configuration: what was known is forgotten, connections of older ones end. Main thread. */
void lookups_reload(struct lookups *lookups, struct generation *generation);
/* Answers whoever waits, with a fault, then ends all connections. Workers are there no more, but their
 * mailboxes are. Main thread. NULL is nothing to do. */
void lookups_free(struct lookups *lookups);

/* Any thread. The generation must have an auth_user. NULL when out of memory. */
struct lookup_request *lookup_request_new(struct lookups *lookups, struct generation *generation,
                                          enum lookup_kind kind, struct upstream *upstream,
                                          const char *user);
/* Wipes what was found. */
void lookup_request_free(struct lookup_request *request);

/* Any thread. Answers the request from the cache: true, and nothing needs to be sent. */
bool lookup_cached(struct lookup_request *request);
/* Any thread. Gives the request away until `answered`; that comes in any case, also at shutdown. */
void lookup_send(struct lookup_request *request);
/* Any thread. A login failed with an answer from the cache: ask anew, the password may have been changed. */
void lookup_forget(const struct lookup_request *request);
