/* SPDX-License-Identifier: PostgreSQL
 * gateway - what all threads of the process share: configuration, pools, cancel keys, limits, counters. */
#pragma once

#include <ev.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "conf/snapshot.h"
#include "gateway/access.h"
#include "gateway/catalog.h"
#include "gateway/control/control.h"
#include "gateway/control/ledgers.h"
#include "gateway/hosts_watch.h"
#include "gateway/headcount.h"
#include "gateway/first_pins.h"
#include "gateway/memory.h"
#include "gateway/net/mailbox.h"
#include "gateway/notify/hubs.h"
#include "gateway/session/prepared.h"
#include "gateway/throttles.h"
#include "router/budgets.h"
#include "router/cancel.h"
#include "router/hosts.h"
#include "router/pool.h"

struct gateway;
struct lookups;
struct offload;
struct penalties;
struct takeover;
struct worker;

/* One configuration with everything that was loaded for it; shared by reference count, any thread. */
struct generation {
    _Atomic int references;
    struct snapshot *snapshot;
    struct access access;          /* users, certificates */
    struct upstreams *upstreams;   /* [s] owned by the gateway, lives as long as the process */
    _Atomic uint64_t *route_hits;  /* one a route */
};

/* Takes over the snapshot's reference and what was loaded. */
struct generation *generation_new(struct snapshot *snapshot, const struct access *access,
                                  struct upstreams *upstreams);
struct generation *generation_retain(struct generation *generation);
void generation_release(struct generation *generation);

/* Main thread: every upstream of every configuration that pools may still point into. */
void gateway_each_upstream(struct gateway *gateway, void (*visit)(struct upstream *upstream, void *owner),
                           void *owner);

/* Counters of the process; rows of conf/counters.def. */
struct counters {
#define COUNTER(field, name, sentence) _Atomic uint64_t field;
#include "conf/counters.def"
#undef COUNTER
};

struct gateway {
    struct ev_loop *loop;            /* main thread's */
    struct mailbox mailbox;          /* letters to main */
    struct generation *generation;   /* [main] the newest; workers hold their own references */
    const char *config_file;         /* NULL with --upstream */
    struct upstreams_node *upstreams; /* [main] every version, freed at exit */
    struct pools pools;
    struct catalogs catalogs;
    struct cancel_keys cancel_keys;
    struct hubs hubs;
    struct penalties *penalties;
    struct statements statements;
    struct settings_home settings;
    struct lookups *lookups;         /* [s] */
    struct budgets budgets;
    struct ledgers ledgers;          /* [main] keeps them up to date */
    struct hosts_watch hosts_watch;  /* [main] */
    struct controls controls;        /* [main] see there what others may ask */
    struct worker *workers;
    int worker_count;
    uint64_t started_us;
    struct offload *offload;         /* [s] asks PAM and LDAP */
    _Atomic int usual_secret;        /* [a] enum secret_kind of the last user that was asked by MD5 */
    unsigned char mock_secret[32];   /* [s] makes unknown users look like known ones */
    _Atomic int clients, logins;     /* [a] connected; not yet logged in */
    _Atomic int consoles;            /* [a] of the clients, those on the console */
    struct list orders;              /* [main] of the console, under way */
    _Atomic int refusals;            /* [a] connected and to be told that there is no room */
    struct headcount headcount;
    struct memory memory;
    struct throttles throttles;
    _Atomic uint64_t next_client_id; /* [a] */
    _Atomic bool stopping;           /* [a] no new transactions */
    struct takeover *takeover;       /* [main] */
    _Atomic int links;               /* [a] to processes that are taken over, or take over */
    struct counters counters;
    struct first_pins first_pins;    /* pins that the log named */
    /* [s] What a worker's last letter does in main. */
    void (*worker_ended)(struct letter *letter, void *owner);
    int workers_ended;               /* [main] */
};
