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
#include "router/roles.h"
#include "router/target.h"

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

/* When a standby was where the primary was: how far behind it is by the clock. */
struct host_track {
    int64_t mark_lsn;           /* the primary's at mark_us */
    uint64_t mark_us, level_us; /* ...; it had all that the primary had then */
};

struct host {
    char name[256]; /* as configured, without the port */
    int port;
    bool numeric;   /* [s] never looked up again */
    struct host_addresses *_Atomic addresses; /* [a] NULL until the first look-up answered */
    struct budget *budget; /* [s] the ledger of its connections, NULL: none is kept */
    struct tls_session session; /* what the next TLS connection resumes */
    _Atomic int role;           /* [a] enum host_role, as last judged */
    _Atomic uint64_t epoch;     /* [a] changes when connections made before may not be used any more */
    _Atomic uint64_t lag_us;    /* [a] of a standby */
    _Atomic int open;           /* [a] pools' server connections there */
    _Atomic int said;           /* [a] enum host_said, by the last login */
    _Atomic uint64_t said_us;   /* [a] when */
    _Atomic int patroni;        /* [a] enum patroni_word */
    _Atomic bool troubled;      /* [a] the last connection failed: its name is looked up soon */
    enum host_role told;        /* [main] the last one that the log was told */
    enum host_role served;      /* [main] what its connections were made for: PRIMARY, STANDBY or UNKNOWN */
    struct host_track track;    /* [main] */
    uint64_t looked_up_us;      /* [resolver] */
};

/* What a host told the last login there: `in_hot_standby` (PostgreSQL 14 and later), or nothing. */
enum host_said { SAID_NOTHING, SAID_WRITABLE, SAID_STANDBY, SAID_NO };

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
    uint64_t epoch; /* the host's, before the connection was made */
};

struct upstream {
    char *name;
    struct host *hosts;
    size_t host_count;
    _Atomic unsigned next_host; /* [a] where the next connection attempt starts after a failure */
    struct roles roles;         /* [main] */
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

/* Looks up, blocking, every name that was looked up longer than max_ttl_us ago, or one second ago where the
 * last connection failed: the resolver thread's work. */
void upstreams_resolve(struct upstreams *upstreams, uint64_t max_ttl_us);

/* The place for the attempt-th try of one connection; wish NULL: the primary, or
 * else any host. False with a fault (57P03 or
 * 08001) when no host serves that now. */
bool upstream_place(struct upstream *upstream, const struct wish *wish, unsigned attempt,
                    struct upstream_place *place, struct fault *fault);
/* Whether a connection made to the host in that epoch may still serve the wish. */
bool upstream_keeps(struct upstream *upstream, const struct wish *wish, struct host *host, uint64_t epoch);
/* A connection there failed, or a login was told in_hot_standby. Any thread. */
void host_note(struct host *host, enum host_said said);
/* Main thread: judges anew from one report a host and publishes; true when pools should look again. */
bool upstream_judge(struct upstream *upstream, const struct host_report *reports, const uint64_t *lags_us);
/* How many addresses there are to try. */
unsigned upstream_addresses(struct upstream *upstream);

/* How new connections are encrypted from now on; takes over the reference to the context. */
void upstream_set_tls(struct upstream *upstream, const struct upstream_tls *tls);
/* A copy; the caller releases its context. */
void upstream_get_tls(struct upstream *upstream, struct upstream_tls *tls);
