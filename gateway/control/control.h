/* SPDX-License-Identifier: PostgreSQL
 * control - one connection to each PostgreSQL server behind the gateway, logged in as auth_user, which asks
 * it every control_interval about itself and who else is connected. Main thread, where nothing else is
 * said. */
#pragma once

#include <ev.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/fault.h"
#include "gateway/base/list.h"
#include "gateway/control/census.h"
#include "gateway/control/query_link.h"
#include "gateway/net/mailbox.h"
#include "router/budget.h"
#include "router/facts.h"

struct controls;
struct gateway;
struct generation;
struct host;
struct upstream;

/* The server at one HOST:PORT, however many upstreams name it. */
struct control {
    struct list link;             /* controls.all */
    struct controls *controls;
    struct upstream *upstream;    /* one that names it; it stays as long as the process */
    struct host *host;
    struct query_link query;
    struct budget_slot slot;      /* its own place among PostgreSQL's connections */
    bool linked;                  /* there is a connection, in whatever state */
    bool soon;                    /* asked to ask again while asking */
    unsigned attempt;             /* which of the host's addresses is next */
    ev_timer alarm;               /* when to connect, to ask or to give up */
    struct census *census;        /* the answer that is coming in */
    uint64_t asked_us, said_us;
    char announcement[ANNOUNCEMENT_BYTES];
    /* [controls->lock] */
    struct host_facts facts;
    bool known;                   /* PostgreSQL answered the last time it was asked */
    bool ever;                    /* facts are there, even if old */
    uint64_t failing_since_us;    /* 0: it is not */
    struct fault fault;           /* why it fails */
};

struct controls {
    struct gateway *gateway;
    struct generation *generation; /* a reference */
    struct list all;
    pthread_mutex_t lock;
    uint64_t id;                   /* this gateway's, as it announces itself */
    struct letter letter;          /* "ask all soon" */
    _Atomic bool pending;          /* [a] the letter is on its way */
    /* Set by who wants to know; the census is the caller's until the call returns. census NULL: PostgreSQL
     * could not be asked, control->fault says why. */
    void (*news)(struct control *control, const struct census *census);
    /* What the connection announces; may be NULL. */
    void (*announce)(const struct control *control, int *want, int *use);
};

/* Starts when the generation has an auth_user. */
void controls_open(struct controls *controls, struct gateway *gateway);
/* Another configuration: servers that are not in it any more are let go. */
void controls_reload(struct controls *controls, struct generation *generation);
void controls_close(struct controls *controls);

/* The one for this host, or NULL. */
struct control *controls_find(struct controls *controls, const struct host *host);

/* Any thread: what the host last said. False when it is not known, or not any more: then *facts is what it
 * said before, answered_us 0 for never. */
bool controls_facts(struct controls *controls, const struct host *host, struct host_facts *facts);

/* Any thread: why the server at that place cannot be asked. False when it is no control's, or can. */
bool controls_failure(struct controls *controls, const char *host, int port, struct fault *fault);

/* Any thread: PostgreSQL refused something; it is asked again at once, but not more than ten times a
 * second. */
void controls_ask_soon(struct controls *controls);
