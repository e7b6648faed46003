/* SPDX-License-Identifier: PostgreSQL
 * lookup_target - the connections for looking users up at one upstream under one configuration, and who waits
 * for them. For gateway/auth/lookup*.c only. Main thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/auth/lookup.h"
#include "gateway/base/table.h"

struct lookup_target {
    struct list link;              /* lookups.targets */
    struct lookups *lookups;
    struct generation *generation; /* a reference */
    struct upstream *upstream;
    struct list links;             /* connections in any state */
    int link_count;
    struct table flights;          /* all of them, by question */
    struct list queue, asking;     /* flights that wait for a connection, oldest first; that have one */
    unsigned attempt;              /* which address is next */
    unsigned failures;             /* in a row */
    uint64_t paused_until_us;      /* no new connection before */
    uint64_t said_us;              /* when a failure was logged last */
    unsigned unsaid;               /* failures since */
};

/* Main thread's side of `struct lookups`. */
struct lookups {
    struct mailbox mailbox;
    struct ev_loop *loop;           /* [s] */
    ev_timer sweep;
    struct counters *counters;      /* [s] */
    struct lookup_cache *cache;     /* [s] any thread */
    struct generation *generation;  /* the newest; a reference */
    struct list targets;
    int waiting;                    /* requests */
    bool closing;
};

struct lookup_target *lookup_target_new(struct lookups *lookups, struct generation *generation,
                                        struct upstream *upstream);
/* Everything that waits fails; connections end. */
void lookup_target_free(struct lookup_target *target);

/* A newer configuration has come. */
bool lookup_target_is_retired(const struct lookup_target *target);

/* Takes the request, answers it when PostgreSQL did. */
void lookup_target_ask(struct lookup_target *target, struct lookup_request *request);

/* Ends what is over at now_us; false when nothing is left of the target and it can be freed. */
bool lookup_target_sweep(struct lookup_target *target, uint64_t now_us);

/* Sends the request back: with a copy of found, or when that is NULL because of the fault for the client. */
void lookup_reply(struct lookup_request *request, const struct lookup_text *found);
void lookup_reply_fault(struct lookup_request *request, const char *sqlstate, const char *sentence);
