/* SPDX-License-Identifier: PostgreSQL
 * worker - a thread with one event loop and everything that it owns: clients, servers, buffers. */
#pragma once

#include <ev.h>
#include <pthread.h>
#include <stdatomic.h>

#include "gateway/base/list.h"
#include "gateway/net/address.h"
#include "gateway/net/mailbox.h"
#include "gateway/net/stream.h"
#include "gateway/takeover/passage.h"
#include "router/pool.h"

struct fault;
struct gateway;
struct generation;
struct leaks;
struct listener_options;
struct requester;

struct worker {
    struct pool_thread thread;       /* what the router sees of this worker */
    struct gateway *gateway;         /* [s] */
    pthread_t pthread;
    struct ev_loop *loop;
    struct mailbox mailbox;
    struct stream_engine engine;
    struct generation *generation;   /* [w] */
    struct list clients;             /* all of them */
    struct list logins;              /* those not logged in, oldest first */
    struct list ending;              /* those whose last bytes are being sent, oldest first */
    struct list admissions;          /* direct sessions that wait for a place in the budget, oldest first */
    struct list retries;             /* direct sessions that wait to connect again */
    struct list openings;            /* direct sessions to which PostgreSQL has said nothing yet */
    struct list questions;           /* catalogs being read, see catalog_read */
    struct leaks *leaks;             /* [w] NULL until there was one */
    uint64_t idle_looked_us;         /* [w] when client_idle_timeout was looked after */
    struct list cancels;             /* cancel requests being delivered */
    struct passages passages;        /* clients on their way to or from another process */
    struct list held_flows; /* bulk that waits for its route's rate, and the timer while there is any */
    ev_timer throttle_tick;
    ev_timer sweep;
    ev_check turn_start;
    bool stopping, told_to_stop;     /* [w] */
    _Atomic int64_t held_bytes;      /* [a] by its connections; see gateway/memory */
    _Atomic int64_t greediest_bytes; /* [a] by one of them, while memory is scarce */
    _Atomic int load;                /* [a] clients, for dispatching */
    struct letter room;              /* "the budget has room": who waits for it asks again */
    _Atomic bool room_pending;       /* [a] */
    struct letter ended;             /* to main, when the loop is over */
    _Atomic uint64_t heartbeat;      /* [a] loop turns, for the watchdog */
};

bool worker_open(struct worker *worker, struct gateway *gateway, int index, struct fault *fault);
bool worker_start(struct worker *worker, struct fault *fault);
void worker_join(struct worker *worker);
/* After all workers were joined: closes its servers and frees everything. Main thread. */
void worker_close(struct worker *worker);

/* Any thread. Hands an accepted connection over; on failure it is closed. */
void worker_send_client(struct worker *worker, int fd, const struct address *peer,
                        struct generation *generation, size_t listener);
void worker_send_generation(struct worker *worker, struct generation *generation);
/* Any thread. now: without waiting for running transactions. */
void worker_send_stop(struct worker *worker, bool now);
/* Any thread. There may be room in the budget for those who wait. */
void worker_send_room(struct worker *worker);
/* Any thread. Cancels what client_id runs; the requester hears of the end. */
void worker_send_cancel(struct worker *worker, uint64_t client_id, struct requester *requester);
