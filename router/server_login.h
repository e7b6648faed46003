/* SPDX-License-Identifier: PostgreSQL
 * server_login - what PostgreSQL says during a login, message by message. Shared by connect.c and
 * server_login.c only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "router/answer.h"
#include "router/connect.h"
#include "router/encrypt.h"

enum { PARAMETERS_MAX_BYTES = 16384 };

struct server_login {
    const struct login_events *events;
    void *owner;
    uint64_t started_us;
    struct answer answer;       /* our side of the authentication exchange */
    struct encryption encryption;
    bool heard;                 /* PostgreSQL answered the startup packet */
    bool authenticated;
    uint8_t said;               /* enum host_said */
    size_t parameters_used;
    unsigned char parameters[PARAMETERS_MAX_BYTES];
};

/* The login is over: frees what only it needed. */
void server_login_end(struct server *server);
/* Tells whoever waits for it, and closes the server. message is PostgreSQL's own ErrorResponse, or NULL. */
void server_login_fail(struct server *server, const struct fault *fault, const void *message, size_t bytes);
/* The server breaks the protocol: `what` says how. */
void server_login_broken(struct server *server, const char *what);

/* Messages of the login; returns the bytes used. The login may be over, or the connection begun anew, then.
 * */
size_t server_login_messages(struct server *server, const unsigned char *bytes, size_t length);

/* PostgreSQL refused the startup packet before it asked for anything: whether the connection is tried again
 * in another way (connect.c). */
bool connect_again(struct server *server);
