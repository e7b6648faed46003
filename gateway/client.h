/* SPDX-License-Identifier: PostgreSQL
 * client - one session from accept to close. It belongs to one worker. Its state is one word, changed only
 * by client_enter; relay, login, direct and console each handle the states that carry their names. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "gateway/net/address.h"
#include "gateway/net/stream.h"
#include "gateway/session/pins.h"
#include "gateway/session/prepared.h"
#include "router/cancel.h"
#include "router/classify.h"
#include "router/pool.h"

struct console;
struct direct;
struct fault;
struct generation;
struct login;
struct worker;

enum client_state {
#define CLIENT_STATE(id, name, sentence) CLIENT_##id,
#include "conf/client_states.def"
#undef CLIENT_STATE
    CLIENT_STATES
};

enum reason {
#define REASON(id, name, severity, sqlstate, sentence) REASON_##id,
#include "conf/reasons.def"
#undef REASON
    REASONS
};

enum { POOLED_SECRET_BYTES = 32 };

/* Who the client is; strings of the connection's lifetime. */
struct identity {
    char *user, *database, *application_name; /* in one allocation */
};

/* What the relay has to remember between two messages of one client. */
struct relay {
    size_t passing;               /* bytes of a large message still to come */
    bool discard;                 /* ... and they are thrown away */
    bool skip_to_sync;            /* an error was answered: messages up to Sync are dropped */
    bool barrier;                 /* nothing more is read until the answers to what was sent are here */
    bool unsynced;                /* extended-protocol messages were sent since the last Sync */
    bool copying;                 /* the server takes COPY data from this client */
    bool refused;                 /* the wait for a server failed: the message at hand is answered by that */
    bool examined;                /* the message at hand was looked at before it had to wait */
    bool opaque_encoding;         /* texts of this client_encoding cannot be examined byte by byte */
    bool plain_backslashes;       /* standard_conforming_strings is off in this profile */
    bool dedicated;               /* the server was opened for this session; names are not rewritten */
};

struct client {
    struct stream stream;
    struct list link;             /* worker->clients */
    struct list timed;            /* worker->logins, ->ending */
    struct worker *worker;
    struct generation *generation;
    const struct listener_options *listener;
    uint64_t id, connected_us;
    uint64_t since_us;            /* when the state was entered, for those with a time limit */
    enum client_state state;
    enum pin_reason pin;
    struct relay relay;
    struct identity identity;
    struct address peer;
    struct verdict verdict;
    struct login *login;          /* until logged in */
    struct direct *direct;        /* CLIENT_DIRECT */
    struct console *console;      /* CLIENT_CONSOLE */
    struct pool *pool;
    bool counted_in_pool;         /* one of pool->clients */
    struct pool_shard *shard;
    struct profile *profile;
    struct server *server;
    struct waiter waiter;
    struct first_statements first;
    struct prepared_names names;  /* the client's prepared statements */
    struct unnamed unnamed;       /* the last unnamed Parse */
    struct cancel_key key;
    unsigned char secret[POOLED_SECRET_BYTES];
    uint64_t transactions, queries;
};

const char *client_state_name(enum client_state state);
const char *reason_name(enum reason reason);

/* Takes over an accepted socket; on failure it is closed. */
void client_open(struct worker *worker, int fd, const struct address *peer, struct generation *generation,
                 const struct listener_options *listener);

void client_enter(struct client *client, enum client_state state);

/* Ends the session: tells the client the reason's sentence (with detail behind it when not NULL), lets go of
 * the server, closes when the last bytes are sent. Safe to call in any state; later calls do nothing. */
void client_close(struct client *client, enum reason reason, const char *detail);

/* The same with an error of the moment, sent as FATAL. */
void client_refuse(struct client *client, const struct fault *fault);

/* The same with PostgreSQL's own ErrorResponse, forwarded as it is. */
void client_refuse_with(struct client *client, const void *message, size_t bytes);

/* Registers a key of `bytes` random bytes under pid (0 = a random positive one). */
void client_make_key(struct client *client, uint32_t pid, size_t bytes);

/* stream_events.released of every state: frees the client's memory. */
void client_released(struct stream *stream);

void client_sweep(struct worker *worker, uint64_t now_us);
/* Every client that holds nothing is told 57P01 and closed; with now, all of them. */
void client_stop_all(struct worker *worker, bool now);
