/* SPDX-License-Identifier: PostgreSQL
 * direct_login - what the gateway sees of a direct session before it only moves bytes: the messages of the
 * login up to ReadyForQuery. Shared by direct*.c only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/list.h"
#include "gateway/direct_flow.h"
#include "gateway/net/address.h"
#include "gateway/net/stream.h"
#include "gateway/wire/startup.h"
#include "router/budget.h"
#include "router/cancel.h"
#include "router/encrypt.h"

struct bulk;
struct client;
struct fault;

enum direct_state { DIRECT_RETRYING, DIRECT_WAITING, DIRECT_LOGIN, DIRECT_OPEN };

struct direct {
    struct client *client;
    struct stream server;
    struct list link; /* worker->admissions, ->retries, or ->openings until PostgreSQL said something */
    enum direct_state state;
    bool server_open;
    bool abandoned;            /* this attempt was closed to be made again */
    bool unseen;               /* TLS goes end to end: only bytes are moved */
    bool begun;                /* the startup packet was sent */
    bool offered_plus;         /* PostgreSQL offered channel binding, which cannot be had through here */
    bool heard;                /* the client was shown something of PostgreSQL's: no second attempt */
    unsigned attempt;
    uint64_t retry_at_us, began_us, opened_us;
    uint64_t waits_since_us, admitted_us; /* for its place among PostgreSQL's connections; 0: it had not to */
    enum share share;
    struct budget_claim claim;
    struct budget_slot slot;
    struct encryption encryption; /* and where the server is */
    struct cancel_key key;
    uint32_t backend_pid;
    unsigned char secret[CANCEL_KEY_MAX_BYTES];
    struct bulk *bulk;         /* what all direct sessions of the route may move */
    struct flow up, down;      /* to PostgreSQL, to the client */
    size_t packet_bytes;
    unsigned char packet[];    /* StartupMessage */
};

/* Looks at PostgreSQL's login messages and forwards them; returns the bytes used. May end the session, or
 * give this attempt up (`abandoned`) to be made again. */
size_t direct_login(struct direct *direct, const unsigned char *bytes, size_t length);
/* Looks at what the client answers meanwhile; false when the session was refused. */
bool direct_login_answer(struct direct *direct, const unsigned char *bytes, size_t length);
/* direct.c: the handlers of direct->server. */
extern const struct stream_events direct_server_events;

/* direct_admit.c. Connects as soon as the budget has a place for it, now or later. */
void direct_admit(struct direct *direct);
/* Before its ReadyForQuery: a NOTICE to a client that had to wait. */
void direct_tell_wait(struct direct *direct);

/* direct_connect.c. Connects (again); the client is refused when that cannot even begin. */
void direct_connect(struct direct *direct);
void direct_tls_answer(struct direct *direct, const unsigned char *bytes, size_t length);
void direct_secured(struct stream *stream);
/* Why the connection to PostgreSQL ended before it said anything; error as in stream_events.ended. */
void direct_explain_end(const struct direct *direct, int error, struct fault *fault);
/* The client's startup packet, with the route's settings behind its parameters; 0 when it is too long. */
size_t direct_build_packet(const struct client *client, const unsigned char *packet, size_t bytes,
                           unsigned char *out, size_t room);
struct upstream *direct_upstream(const struct client *client);
/* Connects again to the same place, with TLS or without, where server_tls_sslmode leaves both. */
bool direct_again(struct direct *direct);
