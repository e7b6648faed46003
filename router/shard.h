/* SPDX-License-Identifier: PostgreSQL
 * shard - what pools are made of: waiters, one worker's part of a pool, the pool and its ledger of atomics,
 * the thread that owns a part, and the registry. Letters: [s] constant after start, [w] the owning thread's,
 * [l] the struct's lock, [a] atomic. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "conf/pins.h"
#include "conf/snapshot.h"
#include "gateway/base/fault.h"
#include "gateway/net/mailbox.h"
#include "gateway/net/stream.h"
#include "router/budget.h"
#include "router/pools_hold.h"
#include "router/credentials.h"
#include "router/profile.h"
#include "router/server.h"
#include "router/waiter.h"

struct catalog;
struct routines;
struct upstream;

/* One worker's part of a pool. Everything without a letter belongs to that worker. */
struct pool_shard {
    struct pool *pool;           /* [s] */
    struct pool_thread *thread;  /* [s] */
    struct list in_thread;       /* in thread->shards once it was used */
    struct list states[SERVER_STATES];
    struct list waiters;
    int connecting;              /* servers logging in for no waiter in particular */
    bool listed, serving, serve_again;
    _Atomic bool close_idle;     /* [a] somebody asked for that */
    _Atomic bool evict;          /* [a] the longest idle server is to be closed for others */
    _Atomic uint64_t idle_since_us; /* [a] of the longest idle server, as the last sweep saw it */
    struct letter want;          /* "look who is waiting" */
    _Atomic bool want_pending;   /* [a] */
    _Atomic int parked;          /* [a] length of states[PARKED] */
    _Atomic int active;          /* [a] */
    _Atomic int waiting;         /* [a] length of waiters */
    _Atomic uint64_t transactions, queries, wait_us,
        late; /* [a] late: waits beyond throttle_target; written by the owning thread only */
    _Atomic uint64_t oldest_us;  /* [a] since when the first waiter waits; UINT64_MAX = none */
    struct routines *routines;   /* what this worker last heard from pool->catalog; a reference */
    struct routines *routines_before; /* what it knew until the catalogs changed; a reference */
    uint64_t routines_version;
};

/* Numbers that a reload may change; older ones are kept while the pool lives. */
struct pool_limits {
    struct pool_options options;
    struct pool_limits *older;
};

struct pool {
    struct table_link link;
    struct pools *pools;
    _Atomic int references;      /* [a] clients, servers, letters */
    char *database, *user, *route;
    struct upstream *upstream;
    struct profiles profiles;
    struct pool_limits *_Atomic limits;
    pthread_mutex_t lock;
    struct credentials credentials; /* [l] */
    struct fault last_failure;   /* [l] why no server connection can be opened; message "" = it works */
    _Atomic int open;            /* [a] slots taken: servers open or being opened, all workers */
    _Atomic int uncounted;       /* [a] dedicated servers outside the limit */
    _Atomic int waiting;         /* [a] waiters of all shards */
    _Atomic int clients;         /* [a] logged-in clients */
    _Atomic bool asks_sequences; /* [a] a session asked for currval of an earlier transaction */
    _Atomic int pinned, pinned_peak; /* [a] clients that keep a server by what they left in it; most ever */
    _Atomic int pin_places;      /* [a] these, and clients of which it will soon be known */
    _Atomic uint64_t pinnings, pins[PIN_REASONS]; /* [a] how often clients began to be pinned; by reason */
    _Atomic uint64_t refusals;   /* [a] statements that session_state or max_pinned refused */
    struct catalog *_Atomic catalog; /* [a] what is known of its database; see pool_catalog_free */
    struct profile *_Atomic usual; /* [a] the set that min_pool_size is kept for: the last one used */
    _Atomic uint64_t retry_at_us; /* [a] no new connection before this after a failure */
    _Atomic uint64_t spares_at_us; /* [a] no spare server before this: its database may be on its way out */
    _Atomic uint64_t own_login_at_us; /* [a] ... nor a login of our own before this: there is no password */
    _Atomic bool paused; /* [a] by an operator: nobody gets a server, those that come free are closed */
    _Atomic uint64_t renewed_us; /* [a] servers opened before this are closed when they come free */
    _Atomic bool no_password;    /* [a] only clients' logins bring servers: none is given up for another */
    struct budget_claim claims[2]; /* [l] for servers of its own; for dedicated ones beyond its size */
    _Atomic uint64_t owes_until_us; /* [a] until then, the next server that becomes free is another pool's */
    _Atomic uint64_t handoffs;   /* [a] */
    _Atomic uint64_t reserves;   /* [a] servers opened from the reserve */
    struct pool_shard shards[];  /* one a worker */
};

/* What the router needs to know of a worker thread. */
struct pool_thread {
    int index;
    struct stream_engine *engine;
    struct mailbox *mailbox;
    struct list shards;
    uint64_t now_us;             /* [w] read once a loop turn */
    struct budget_slot in_hand;  /* [w] taken for the server that is opened next */
    struct list lingering;       /* [w] connections that PostgreSQL has not let go of yet */
    char who[16];
};

/* All pools; found and made only at login. */
struct pools {
    pthread_mutex_t lock;
    struct table table; /* [l] */
    struct table tallies; /* [l] numbers of pools that were forgotten: router/tally */
    struct pool_thread **threads;
    int thread_count;
    _Atomic uint64_t next_server_id;
    struct hold *holds;     /* [l] what operators said of databases */
    bool all_paused;        /* [l] */
    _Atomic bool held;      /* [a] any of these was ever used */
    _Atomic uint64_t epoch; /* [a] changes with the defaults of new sessions (ALTER ROLE, ALTER DATABASE) */
};
