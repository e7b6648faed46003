/* SPDX-License-Identifier: PostgreSQL
 * connect - opens a server: connect, startup, authentication, parameters, ReadyForQuery. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "router/server.h"

struct fault;
struct waiter;

/* Why a login failed; message is PostgreSQL's own ErrorResponse, or NULL. */
struct login_failure {
    struct pool_shard *shard;
    struct profile *profile;
    const struct fault *fault;
    const void *message;
    size_t bytes;
};

/* ParameterStatus messages that the server sent at login, application_name left out. */
struct login_parameters {
    const void *bytes;
    size_t length;
};

/* Hears how a login ended (in `ready` the server may go to another thread at once); and in between, when
 * `relay` is set, gets PostgreSQL's authentication messages as they come (the answers are sent with
 * stream_send on the server's stream). */
struct login_events {
    void (*ready)(struct server *server, void *owner, const struct login_parameters *parameters);
    void (*failed)(const struct login_failure *failure, void *owner);
    void (*relay)(struct server *server, void *owner, const void *message, size_t bytes);
    bool plain_leg; /* no TLS to this machine where server_tls_sslmode leaves the choice */
};

/* Starts opening a server of the pool in this shard. `counted`: a slot was acquired for it and goes with it.
 * So does a slot of the budget that is in the thread's hand.
 * `failed` may be called before this returns; the server is closed by then and the slot free. */
struct server *connect_start(struct pool_shard *shard, struct profile *profile, const char *application_name,
                             bool counted, const struct login_events *events, void *owner);

/* The owner of a login in progress goes away: the connection is closed without a word to anyone. */
void connect_abandon(struct server *server);

/* Logins that began before the deadline fail with server_connect_timeout. */
void connect_sweep(struct pool_shard *shard, uint64_t now_us);
