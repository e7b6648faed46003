/* SPDX-License-Identifier: PostgreSQL
 * login - from the first byte to ReadyForQuery: startup packets, classification, authentication, welcome. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "conf/types.h"
#include "gateway/net/stream.h"
#include "gateway/wire/scram.h"
#include "gateway/wire/startup.h"

struct arena;
struct client;
struct server;

extern const struct stream_events login_stream_events;

/* What only a login needs; freed when it is over. */
struct login {
    struct arena *arena;
    struct startup startup;
    uint16_t minor;                  /* protocol version granted: 3.0 or 3.2 */
    bool ssl_asked, gss_asked;
    bool asked;                      /* PostgreSQL asked for something: the login cannot begin again */
    bool answer_expected;            /* the next message must be the client's */
    enum auth_type auth_type;
    struct scram_server *scram;      /* auth_type scram-sha-256 */
    struct server *relaying;         /* a server connection that is logging in with the client's answers */
    bool queued;                     /* the client's waiter is in the pool's queue */
};

void login_begin(struct client *client);
void login_abandon(struct client *client);

