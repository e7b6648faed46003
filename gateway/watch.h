/* SPDX-License-Identifier: PostgreSQL
 * watch - since when a linked session runs something, is in a transaction, or does nothing. The sweep finds
 * out by comparing counters that are kept anyway, so that no message costs anything; times are late by one
 * sweep. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct client;

/* What the last look saw. Embedded in a client; all zero before the first one. */
struct watch {
    uint64_t bytes_in, queries, transactions;
    uint32_t owed;
    uint64_t quiet_us;       /* since when nothing came and nothing ran */
    uint64_t running_us;     /* since when the query runs; 0: none does */
    uint64_t transaction_us; /* since when a transaction is open; 0: none is */
    uint64_t cancelled_us;   /* when the query that runs was cancelled last; 0: it was not */
    uint64_t late_us;        /* ... and for the first time */
    bool reported, overdue;  /* this transaction: as a leak; by transaction_timeout */
};

/* The client has a server. */
void watch_linked(struct client *client, uint64_t now_us);

/* The client has none. */
void watch_idle(struct client *client, uint64_t now_us);
