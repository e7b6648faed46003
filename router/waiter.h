/* SPDX-License-Identifier: PostgreSQL
 * waiter - what somebody wants of a pool. The router knows waiters, not clients. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/list.h"

struct fault;
struct profile;
struct server;
struct settings;

/* What a waiter wants. */
enum want {
    WANT_POOLED, /* any clean server of its profile */
    WANT_FRESH,  /* a server opened for it alone */
    WANT_SLOT    /* the right to open one itself (relayed logins); granted with server NULL */
};

/* Embedded in a client. The router knows waiters, not clients. */
struct waiter {
    struct list link;
    enum want want;
    bool notified;               /* of this wait, see query_wait_notify */
    bool uncounted;              /* WANT_FRESH outside the pool's limit: dumps and the like */
    uint64_t since_us;
    struct profile *profile;
    const struct settings *settings; /* the session's, beyond the profile */
    const char *sets;            /* one setting that it is about to set anew, or NULL */
    uint64_t owner;              /* the client's id */
    bool marks;                  /* some server bears its traces */
    uint64_t epoch;              /* pools->epoch when it logged in */
    uint64_t only;               /* id of the one server that will do, 0: any */
    const char *startup_name;    /* its application_name at startup: RESET returns to it */
    bool named;                  /* only a server that was opened with startup_name will do */
    struct server *connecting;   /* the server being opened for a WANT_FRESH */
    void (*granted)(struct waiter *waiter, struct server *server);
    /* It has waited for query_wait_notify; may be NULL. */
    void (*queued)(struct waiter *waiter, uint64_t waited_us);
    /* No server can be had: fault says why; message is PostgreSQL's own ErrorResponse, or NULL. */
    void (*failed)(struct waiter *waiter, const struct fault *fault, const void *message, size_t bytes);
};
