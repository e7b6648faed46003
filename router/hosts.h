/* SPDX-License-Identifier: PostgreSQL
 * hosts - the PostgreSQL servers behind an upstream, and where they are right now.
 * Names are looked up by a thread of its own; workers only read what it found. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "conf/types.h"
#include "gateway/net/address.h"
#include "gateway/net/tls.h"

struct budget;
struct fault;
struct snapshot;
struct upstream_options;

enum { HOST_ADDRESSES_MAX = 8 };

/* What a host name stands for at some moment; immutable once published. */
struct host_addresses {
    struct address items[HOST_ADDRESSES_MAX];
    size_t count;
    struct host_addresses *older; /* kept until the upstream goes: readers hold no reference */
};

struct host {
    char name[256]; /* as configured, without the port */
    int port;
    bool numeric;   /* [s] never looked up again */
    struct host_addresses *_Atomic addresses; /* [a] NULL until the first look-up answered */
    struct budget *budget; /* [s] the ledger of its connections, NULL: none is kept */
    struct tls_session session; /* what the next TLS connection resumes */
};

/* How connections to an upstream are encrypted; a reload may change it. */
struct upstream_tls {
    enum sslmode mode;
    enum tls_negotiation negotiation;
    bool sni;
    struct tls_context *context; /* retained by whoever holds this */
};

/* Where one connection attempt goes. */
struct upstream_place {
    struct address address;
    struct host *host;
};

struct upstream {
    char *name;
    struct host *hosts;
    size_t host_count;
    _Atomic unsigned next_host; /* [a] where the next connection attempt starts after a failure */
    pthread_mutex_t lock;
    struct upstream_tls tls;    /* [l] */
};

/* All upstreams of a snapshot, numeric hosts resolved; a fault for a host that cannot be parsed. */
struct upstreams {
    struct upstream *items;
    size_t count;
};

bool upstreams_open(struct upstreams *upstreams, const struct snapshot *snapshot, struct fault *fault);
void upstreams_close(struct upstreams *upstreams);
struct upstream *upstreams_find(const struct upstreams *upstreams, const char *name);

/* Looks every name up once, blocking: the resolver thread's work. */
void upstreams_resolve(struct upstreams *upstreams);

/* The place for the attempt-th try of one connection; false with a fault when nothing is known. */
bool upstream_place(struct upstream *upstream, unsigned attempt, struct upstream_place *place,
                    struct fault *fault);
/* How many addresses there are to try. */
unsigned upstream_addresses(struct upstream *upstream);

/* How new connections are encrypted from now on; takes over the reference to the context. */
void upstream_set_tls(struct upstream *upstream, const struct upstream_tls *tls);
/* A copy; the caller releases its context. */
void upstream_get_tls(struct upstream *upstream, struct upstream_tls *tls);
