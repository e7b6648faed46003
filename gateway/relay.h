/* SPDX-License-Identifier: PostgreSQL
 * relay - the hot path: messages of a logged-in pooled client to a server and back.
 * relay_client.c reads what the client says, relay_prepared.c its prepared statements, relay_server.c what
 * PostgreSQL answers; relay.c links and unlinks. Nothing here allocates, logs or formats in steady state. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "gateway/net/stream.h"
#include "conf/pins.h"
#include "gateway/wire/frame.h"

struct client;
struct owed;
struct server;

extern const struct stream_events relay_client_events, relay_server_events;

/* What became of one message at the head of the client's bytes. */
enum step {
    STEP_TAKEN, /* used up: goes on with the next */
    STEP_WAIT,  /* left where it is until something else happens */
    STEP_ENDED  /* the session is over */
};

/* One whole message, or the part of a large one that is here. */
struct message {
    struct frame frame;
    const unsigned char *bytes; /* header first */
    size_t available;           /* of frame.size */
};

/* Begins to serve a client that was logged in. */
void relay_begin(struct client *client);

/* Makes sure that the client has a server with its settings: STEP_TAKEN. STEP_WAIT: in the pool's queue, or
 * for the settings. */
enum step relay_need_server(struct client *client);
void relay_link(struct client *client, struct server *server);

/* Releases the server when nothing stands against it; lets a barrier down when nothing is owed. */
void relay_settle(struct server *server);

/* The client goes away: its transaction is rolled back and the server given back, or closed. */
void relay_let_go(struct client *client);

/* Cancels what the client runs or waits for; done when nothing runs. */
bool relay_cancel(struct client *client, void (*done)(void *owner), void *owner);

/* Cancels what the server runs, for nobody. */
void relay_cancel_backend(struct server *server);

/* A query of ours was answered: a cancel request that waited for that is sent now. */
void relay_cancel_due(struct server *server);

/* Whether the client's server runs something for it or is in a transaction. */
bool relay_busy(const struct client *client);

void relay_pin(struct client *client, enum pin_reason reason);

/* Reads nothing more of the client until everything that was sent is answered. */
void relay_barrier(struct client *client);

/* Sends a message as it is (or the part that is here; the rest follows by itself). */
void relay_forward(struct client *client, const struct message *message);
/* Remembers what is owed for it; false when memory ran out and the session was ended. */
bool relay_owe(struct client *client, const struct owed *owed);

/* Servers whose ROLLBACK takes too long are closed. */
struct pool_thread;
void relay_sweep(struct pool_thread *thread, uint64_t now_us);

/* The server broke the protocol or went away while linked. */
void relay_server_lost(struct server *server, const char *what);
