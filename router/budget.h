/* SPDX-License-Identifier: PostgreSQL
 * budget - the ledger of one PostgreSQL server's connections: no server connection is opened before a slot
 * was taken from it, who gets none queues, strictly by age. Any thread; the lock is only held to count. It
 * knows neither pools nor clients: `wake` tells that those who wait should ask again. Letters: [l] the
 * ledger's lock, [a] atomic, [s] constant. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/list.h"
#include "gateway/base/table.h"
#include "router/budget_party.h"
#include "router/budget_share.h"

struct budget;
struct budgets;

enum denial { DENIAL_NONE, DENIAL_ROOM, DENIAL_PARTY, DENIAL_RESTING, DENIAL_AGE };

/* Who wants slots, one at a time. Embedded; its owner opens and closes it. */
struct budget_claim {
    struct budget *_Atomic budget; /* [a] NULL: not open */
    enum share share;          /* [s] */
    struct list link;          /* [l] in the queue while it waits */
    struct party *parties[PARTIES]; /* [l] NULL: not counted by that */
    int limits[PARTIES];       /* [l] the configured ones, 0 = none; as last asked */
    _Atomic uint64_t since_us; /* [a] */
    _Atomic uint64_t credit_us; /* [a] by its route's priority it counts as older by so much */
    uint64_t renewed_us;       /* [l] a claim that nobody renews is forgotten */
    _Atomic bool queued;       /* [a] */
    _Atomic uint64_t checked;  /* [a] the ledger's version when it was denied */
    _Atomic uint64_t check_us; /* [a] when to look anew in any case */
    _Atomic int denial;        /* [a] enum denial: why it waits */
    _Atomic int short_of;      /* [a] enum party_kind, of DENIAL_PARTY */
};

/* One connection's place in the ledger; whoever holds it gives it back. All zero is none. */
struct budget_slot {
    struct budget *budget;
    enum share share;
    struct party *parties[PARTIES];
    struct table_link seat;    /* [l] by backend pid */
    uint32_t pid;              /* 0: PostgreSQL has not told it */
};

struct budget {
    struct list link;          /* [s] budgets.all */
    struct budgets *budgets;
    char host[256];
    int port;
    pthread_mutex_t lock;
    _Atomic uint64_t version;  /* [a] changes with everything that may let a claim through */
    _Atomic int waiting;       /* [a] claims in the queue */
    _Atomic uint64_t evicting_us; /* [a] a connection is being closed for others: none more before this */
    int used[SHARES];          /* [l] */
    int seated;                /* [l] of them (without replication), those whose pid is known */
    struct table seats;        /* [l] */
    struct list queue;         /* [l] claims, oldest first */
    struct list parties;       /* [l] */
    int wanted[SHARES_OF_CONNECTIONS], headroom; /* [l] the configuration's */
    int capacity, senders;     /* [l] connections and WAL senders that this gateway may have */
    int ceiling;               /* [l] lower since PostgreSQL refused one more */
    uint64_t closed_until_us, pause_us, refused_us; /* [l] after a refusal */
    _Atomic uint64_t refusals, evictions, waits; /* [a] */
    _Atomic bool refused_lately; /* [a] */
    /* [l] For SHOW; from the last census. */
    uint64_t guessed_us;       /* [l] when a pooled server was asked last; 0: never */
    int total, foreign, gateways, others_use, reserve, max_connections;
    bool counted;              /* there is a census, not long ago */
};

/* NULL names are not counted. False when out of memory. */
bool budget_claim_open(struct budget_claim *claim, struct budget *budget, enum share share,
                       const char *const names[PARTIES]);
/* Leaves the queue, too. A claim that is not open is nothing to do. */
void budget_claim_close(struct budget_claim *claim);
/* Leaves the queue: nobody waits any more. */
void budget_claim_withdraw(struct budget_claim *claim);

/* Takes a slot: true. Else the claim is in the queue and must ask again when woken, and every second at
 * least; claim->denial tells why. limits: configured, 0 = none. */
bool budget_take(struct budget_claim *claim, const int limits[PARTIES], uint64_t now_us,
                 struct budget_slot *slot);
/* What it was told last still holds: without the lock. */
bool budget_is_denied(const struct budget_claim *claim, uint64_t now_us);
/* Takes a slot only where nobody waits, without waiting itself: for what could as well not be. */
bool budget_try(struct budget_claim *claim, const int limits[PARTIES], uint64_t now_us,
                struct budget_slot *slot);
/* Takes a slot whether there is room or not: for what cannot wait. Counted by nothing else. */
void budget_take_anyway(struct budget *budget, enum share share, struct budget_slot *slot);
/* A slot that was taken is used for another server: it moves there, whether there is room or not. */
void budget_follow(struct budget_slot *slot, struct budget *budget);
/* Gives it back: PostgreSQL has let go of the connection. An empty slot is nothing to do. */
void budget_give(struct budget_slot *slot);
/* The connection serves another purpose from now on. */
void budget_move(struct budget_slot *slot, enum share share);
/* PostgreSQL told the backend's pid: it has let the connection in. */
void budget_seat(struct budget_slot *slot, uint32_t pid);
/* Hands a slot on to other memory. */
void budget_pass(struct budget_slot *from, struct budget_slot *to);

/* too_many_connections, configuration_limit_exceeded. */
bool budget_is_refusal(const char *sqlstate);
/* PostgreSQL refused the slot's connection (53300, 53400); routine: as its error named it. */
void budget_refused(struct budget_slot *slot, const char *routine, uint64_t now_us);

/* Pooled connections above what they may have, so that they should be given up; 0 when there are none. */
int budget_excess(struct budget *budget);
/* What there is of slots in all; replication is not in it. */
int budget_used(struct budget *budget);
