/* SPDX-License-Identifier: PostgreSQL
 * server - one connection to PostgreSQL that a pool owns. It belongs to one worker; its state is the list it
 * is in, and server_enter is the only way from one to another. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "gateway/net/address.h"
#include "gateway/net/mailbox.h"
#include "gateway/net/stream.h"
#include "router/budget.h"
#include "router/profile.h"
#include "router/settings.h"

struct fault;
struct host;
struct pool_shard;
struct server_login;
struct server_session;

enum server_state {
#define SERVER_STATE(id, name, sentence) SERVER_##id,
#include "conf/server_states.def"
#undef SERVER_STATE
    SERVER_STATES
};

enum { CANCEL_SECRET_MAX_BYTES = 256, APPLICATION_NAME_BYTES = 64 };

struct server {
    struct stream stream;
    struct list link;            /* [w] in one of the shard's lists, by state */
    struct pool_shard *shard;    /* [w] */
    struct profile *profile;     /* [s] the startup parameters it was opened with */
    struct server_session *session; /* [w] what the session layer knows about it; see server_session_free */
    void *client;                /* [w] who it is linked to, NULL when parked */
    struct server_login *login;  /* [w] only while logging in */
    enum server_state state;
    char status;                 /* transaction status of the last ReadyForQuery: I, T or E */
    struct budget_slot slot;     /* [w] its place among all connections to that PostgreSQL */
    bool counted;                /* holds one of the pool's slots */
    bool retire;                 /* to be closed, not parked, when its client lets go */
    bool dedicated;              /* opened for one session alone */
    bool buried;                 /* closed and released; the memory waits only for `cancels` */
    int cancels;                 /* cancel requests on their way to this backend: it is not reused before */
    const struct settings *settings; /* [w] what was set on it beyond its startup; retained */
    const struct settings *customs;  /* [w] every name with a dot that was ever set on it; retained */
    uint64_t marked_for; /* [w] the client that left traces which only the server's end removes, 0: none */
    uint64_t sequence_user;      /* [w] the client that last changed anything: its currval is here */
    uint32_t backend_pid;
    uint16_t secret_bytes;
    unsigned char secret[CANCEL_SECRET_MAX_BYTES];
    char application_name[APPLICATION_NAME_BYTES]; /* what the backend has now */
    char startup_name[APPLICATION_NAME_BYTES];     /* what it returns to with RESET */
    uint64_t id, opened_us, parked_us;
    uint64_t epoch;              /* pools->epoch when it began to log in */
    struct address address;
    struct host *host;           /* [s] where it was opened; NULL before that */
    uint64_t host_epoch;         /* host->epoch then */
    struct letter letter;        /* for the hand-off */
};

const char *server_state_name(enum server_state state);

/* A new server in state CONNECTING on this shard. NULL when out of memory. */
struct server *server_new(struct pool_shard *shard, struct profile *profile);

/* Moves it into the state's list of its shard. */
void server_enter(struct server *server, enum server_state state);

/* Sends Terminate where possible, closes, gives the slot back and lets the pool look for waiters. The memory
 * goes at the end of the turn. why is a word for the log. */
void server_close(struct server *server, const char *why);

/* One of `cancels` was delivered or given up. The server may be freed by this when it was closed
 * meanwhile. */
void server_cancel_done(struct server *server);

/* Called when a server's memory is freed; set once at start by the session layer. */
extern void (*server_session_free)(struct server_session *session);

/* Takes the stream back from whoever used it: late messages to an idle server close it and reach nobody. */
void server_watch_parked(struct server *server);
