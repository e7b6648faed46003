/* SPDX-License-Identifier: PostgreSQL
 * budget - the ledger of one PostgreSQL server's connections: no server connection is opened before a slot was
 * taken from it, who gets none queues, strictly by age. Any thread; the lock is only held to count. It knows
 * neither pools nor clients: `wake` tells that those who wait should ask again.
 * Letters: [l] the ledger's lock, [a] atomic, [s] constant. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/list.h"
#include "gateway/base/table.h"
#include "router/budget_share.h"

struct budget;
struct budgets;

/* Besides the shares, connections are counted by these. */
enum party_kind { PARTY_ROUTE, PARTY_DATABASE, PARTY_USER, PARTIES };

enum { PARTY_NAME_BYTES = 64 };

/* A route, database or user with claims or slots. */
struct party {
    struct list link;          /* [l] */
    enum party_kind kind;
    char name[PARTY_NAME_BYTES]; /* longer ones, which PostgreSQL cuts too, are cut */
    int references, used;      /* [l] */
    int configured;            /* [l] the limit of the last claim, 0 = none */
    int foreign;               /* [l] connections of others */
    int granted;               /* [l] PostgreSQL's CONNECTION LIMIT, BUDGET_UNLIMITED: none */
    int ceiling;               /* [l] lower since PostgreSQL refused one more */
};

enum denial { DENIAL_NONE, DENIAL_ROOM, DENIAL_PARTY, DENIAL_RESTING, DENIAL_AGE };

/* Who wants slots, one at a time. Embedded; its owner opens and closes it. */
struct budget_claim {
    struct budget *budget;     /* NULL: not open */
    enum share share;          /* [s] */
    struct list link;          /* [l] in the queue while it waits */
    struct party *parties[PARTIES]; /* [l] NULL: not counted by that */
    int limits[PARTIES];       /* [l] the configured ones, 0 = none; as last asked */
    _Atomic uint64_t since_us; /* [a] */
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
    int total, foreign, gateways, others_use, reserve, max_connections;
    bool counted;              /* there is a census, not long ago */
};

/* All ledgers of the process, by HOST:PORT. */
struct budgets {
    pthread_mutex_t lock;
    struct list all;
    /* Room appeared while claims wait; any thread, no lock held. May be NULL. */
    void (*wake)(struct budgets *budgets);
};

void budgets_open(struct budgets *budgets);
void budgets_close(struct budgets *budgets); /* nothing may be held any more */
/* The ledger of that server; it lives as long as `budgets`. NULL when out of memory. */
struct budget *budgets_get(struct budgets *budgets, const char *host, int port);
/* The floors of the shares and what is left to others, from the configuration. */
void budget_configure(struct budget *budget, const int wanted[SHARES_OF_CONNECTIONS], int headroom);

/* NULL names are not counted. False when out of memory. */
bool budget_claim_open(struct budget_claim *claim, struct budget *budget, enum share share,
                       const char *const names[PARTIES]);
/* Leaves the queue, too. A claim that is not open is nothing to do. */
void budget_claim_close(struct budget_claim *claim);
/* Leaves the queue: nobody waits any more. */
void budget_claim_withdraw(struct budget_claim *claim);

/* Takes a slot: true. Else the claim is in the queue and must ask again when woken, and every second at least;
 * claim->denial tells why. limits: configured, 0 = none. */
bool budget_take(struct budget_claim *claim, const int limits[PARTIES], uint64_t now_us, struct budget_slot *slot);
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

/* A ledger at one moment. gateways 0: PostgreSQL never told about itself. */
struct budget_view {
    int used[SHARES], floors[SHARES_OF_CONNECTIONS], waiting[SHARES];
    int capacity, senders, headroom;
    int max_connections, reserve, foreign, gateways, others_use;
    bool counted;
};
void budget_look(struct budget *budget, struct budget_view *view);
void budget_each_party(struct budget *budget,
                       void (*see)(const struct budget *budget, const struct party *party, void *owner),
                       void *owner);
