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
    struct list retries;             /* direct sessions that wait to connect again */
    struct list openings;            /* direct sessions to which PostgreSQL has said nothing yet */
    struct list questions;           /* catalogs being read, see catalog_read */
    struct list cancels;             /* cancel requests being delivered */
    struct passages passages;        /* clients on their way to or from another process */
    ev_timer sweep;
    ev_check turn_start;
    bool stopping, told_to_stop;     /* [w] */
    _Atomic int load;                /* [a] clients, for dispatching */
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
/* Any thread. Cancels what client_id runs; the requester hears of the end. */
void worker_send_cancel(struct worker *worker, uint64_t client_id, struct requester *requester);
