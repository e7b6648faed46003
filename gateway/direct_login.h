/* SPDX-License-Identifier: PostgreSQL
 * direct_login - what the gateway sees of a direct session before it only moves bytes: the messages of the
 * login up to ReadyForQuery. Shared by direct.c and direct_login.c only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/list.h"
#include "gateway/net/address.h"
#include "gateway/net/splice.h"
#include "gateway/net/stream.h"
#include "gateway/wire/startup.h"
#include "router/cancel.h"

struct client;

enum direct_state { DIRECT_RETRYING, DIRECT_LOGIN, DIRECT_OPEN };

/* One direction of the passthrough. */
struct flow {
    struct direct *direct;
    struct stream *from, *to;
    struct splice splice;
    int full_arrivals; /* in a row: the sign of bulk */
};

struct direct {
    struct client *client;
    struct stream server;
    struct list link;          /* worker->retries */
    enum direct_state state;
    bool server_open;
    bool abandoned;            /* this attempt was closed to be made again */
    bool heard;                /* the client was shown something of PostgreSQL's: no second attempt */
    unsigned attempt;
    uint64_t retry_at_us, began_us;
    struct address address;
    struct cancel_key key;
    uint32_t backend_pid;
    unsigned char secret[CANCEL_KEY_MAX_BYTES];
    struct flow up, down;      /* to PostgreSQL, to the client */
    size_t packet_bytes;
    unsigned char packet[];    /* StartupMessage */
};

/* Looks at PostgreSQL's login messages and forwards them; returns the bytes used. May end the session, or
 * give this attempt up (`abandoned`) to be made again. */
size_t direct_login(struct direct *direct, const unsigned char *bytes, size_t length);
