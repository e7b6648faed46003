/* SPDX-License-Identifier: PostgreSQL
 * client - one session from accept to close. It belongs to one worker. Its state is one word, changed only
 * by client_enter; relay, login, direct and console each handle the states that carry their names. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "conf/pins.h"
#include "gateway/headcount.h"
#include "gateway/client_state.h"
#include "gateway/net/address.h"
#include "gateway/net/stream.h"
#include "gateway/relay_memory.h"
#include "gateway/session/prepared.h"
#include "gateway/watch.h"
#include "router/cancel.h"
#include "router/classify.h"
#include "router/pool.h"

struct console;
struct direct;
struct fault;
struct generation;
struct listening;
struct login;
struct passage;
struct suspicion;
struct worker;

enum { POOLED_SECRET_BYTES = 32 };

/* Who the client is; strings of the connection's lifetime. */
struct identity {
    char *user, *database;        /* in one allocation with startup_name */
    const char *application_name; /* what it is called now: startup_name or changed_name */
    char *startup_name, *changed_name;
};

struct client {
    struct stream stream;
    struct list link;             /* worker->clients */
    struct list timed;            /* worker->logins, ->ending */
    struct worker *worker;
    struct generation *generation;
    const struct listener_options *listener;
    uint64_t id, connected_us, pinned_us; /* pinned_us: since when it is one of pool->pinned; 0 = it is not */
    uint64_t since_us;            /* when the state was entered, for those with a time limit */
    enum client_state state;
    uint32_t pins;                /* PIN_BITs: why it keeps its server connection */
    struct suspicion *suspicion;  /* NULL until a statement gave cause */
    const struct settings *settings; /* what it changed since its startup; retained */
    uint64_t epoch;               /* pools.epoch at its login */
    uint64_t sequence_server;     /* id of the server on which it last changed something */
    bool marked;                  /* some server bears its traces */
    struct relay relay;
    struct identity identity;
    struct address peer;
    struct verdict verdict;
    struct login *login;          /* until logged in */
    struct direct *direct;        /* CLIENT_DIRECT */
    struct console *console;      /* CLIENT_CONSOLE */
    struct passage *passage;      /* CLIENT_LEAVING and CLIENT_ARRIVING */
    bool stays;                   /* the process that takes over did not take it */
    struct pool *pool;
    bool counted_in_pool, pin_place; /* one of pool->clients; of pool->pin_places */
    struct pool_shard *shard;
    struct profile *profile;
    const struct welcome *welcome; /* what it was told last of its profile's parameters */
    struct server *server;
    struct listening *listening;  /* LISTEN on a pooled port; NULL until it is used */
    struct waiter waiter;
    struct first_statements first;
    struct prepared_names names;  /* the client's prepared statements */
    struct unnamed unnamed;       /* the last unnamed Parse */
    struct cancel_key key;
    unsigned char secret[POOLED_SECRET_BYTES];
    uint64_t transactions, queries;
    struct watch watch;
    struct headcount_seat seat;
    bool counted_refused;         /* in gateway->refusals, not ->logins, until the login is over */
};

/* Takes over an accepted socket; on failure it is closed. */
void client_open(struct worker *worker, int fd, const struct address *peer, struct generation *generation,
                 const struct listener_options *listener);

void client_enter(struct client *client, enum client_state state);

/* The login that begins will be refused: it is not one of gateway->logins. */
void client_count_refused(struct client *client);

/* Ends the session: tells the client the reason's sentence (with detail behind it when not NULL), lets go of
 * the server, closes when the last bytes are sent. Safe to call in any state; later calls do nothing. */
void client_close(struct client *client, enum reason reason, const char *detail);

/* The same with an error of the moment, sent as FATAL; for this reason, or REASON_REFUSED. */
void client_end(struct client *client, enum reason reason, const struct fault *fault);
void client_refuse(struct client *client, const struct fault *fault);
/* The same for a reason that is a time limit, which the error names with its value. */
void client_expire(struct client *client, enum reason reason, uint64_t limit_us, const char *hint);

/* The same with PostgreSQL's own ErrorResponse, forwarded as it is. */
void client_refuse_with(struct client *client, const void *message, size_t bytes);

/* What an ended session still has to be sent is given up. */
void client_cut(struct client *client);

/* Registers a key of `bytes` random bytes under pid (0 = a random positive one). */
void client_make_key(struct client *client, uint32_t pid, size_t bytes);

/* stream_events.released of every state: frees the client's memory. */
void client_released(struct stream *stream);

void client_sweep(struct worker *worker, uint64_t now_us);
/* Every client that holds nothing is told 57P01 and closed; with now, all of them. */
void client_stop_all(struct worker *worker, bool now);
