/* SPDX-License-Identifier: PostgreSQL
 * encrypt - the beginning of a connection to PostgreSQL: whether it is encrypted, and how that comes about.
 * Source: PostgreSQL manual, "SSL Session Encryption" and libpq's sslmode. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "gateway/net/stream.h"
#include "router/hosts.h"

struct fault;

/* What comes next. */
enum encrypt_step {
    ENCRYPT_READY,   /* the startup packet may be sent */
    ENCRYPT_WAITS,   /* for PostgreSQL's answer or the handshake */
    ENCRYPT_FAILED,  /* see the fault; encrypt_again tells whether to connect once more */
};

/* One attempt after the other to open one connection; embedded, all zero before the first one. */
struct encryption {
    struct upstream_place place; /* where this attempt goes */
    enum sslmode mode;
    bool asked;                  /* SSLRequest was sent, its answer has not come */
    bool with_tls, without_tls;  /* what was tried already */
    bool plain_leg;              /* the owner wants no TLS where the mode leaves a choice */
};

/* The stream was opened towards encryption->place (attempt: which of the upstream's addresses). */
enum encrypt_step encrypt_begin(struct encryption *encryption, struct stream *stream,
                                struct upstream *upstream, struct fault *fault);

/* While `asked`: what PostgreSQL said; all of it is used up. */
enum encrypt_step encrypt_received(struct encryption *encryption, struct stream *stream,
                                   struct upstream *upstream, const unsigned char *bytes, size_t length,
                                   struct fault *fault);

/* Before PostgreSQL accepted the login, the connection failed, or PostgreSQL refused it: whether sslmode
 * allow or prefer leave another way, which the next encrypt_begin goes. */
bool encrypt_again(struct encryption *encryption, const struct stream *stream);
