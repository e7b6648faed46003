/* SPDX-License-Identifier: PostgreSQL
 * errand - what a worker wants of a hub: sent there, and back with its end. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/list.h"
#include "gateway/net/mailbox.h"
#include "gateway/notify/listen_text.h"

struct client;
struct hub;
struct pool;
struct worker;

enum errand_kind {
    ERRAND_LISTEN, /* listen to one channel */
    ERRAND_MOVE,   /* listen to what a client's server listens to, and mark the place in both streams */
    ERRAND_FENCE,  /* come back when everything that was committed before has been delivered */
    ERRAND_DROP    /* nobody of this worker listens to the channel any more; does not come back */
};

enum errand_end {
    ERRAND_DONE,
    ERRAND_FAILED,  /* PostgreSQL said no */
    ERRAND_REFUSED, /* nothing here to log in with */
    ERRAND_LOST     /* no connection in good time */
};

/* What a worker wants of a hub: sent there, and back with its end. */
struct errand {
    struct letter letter;
    struct list link;      /* the hub's */
    struct hub *hub;       /* retained */
    struct pool *pool;     /* retained: how to log in */
    struct worker *worker; /* who sent it */
    struct client *client; /* only the sender looks at it; NULL: gone */
    enum errand_kind kind;
    enum errand_end end;
    bool bare;             /* the name is written without quotes */
    uint64_t since_us;
    uint64_t number;       /* MOVE: what the mark says */
    size_t count;
    char channels[][CHANNEL_BYTES];
};
