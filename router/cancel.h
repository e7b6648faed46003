/* SPDX-License-Identifier: PostgreSQL
 * cancel - who may cancel what: the keys that clients were given, and the delivery of a CancelRequest to
 * PostgreSQL on a connection of its own. A stale, foreign or forged key finds nothing. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/list.h"
#include "gateway/base/table.h"
#include "gateway/net/address.h"
#include "gateway/net/stream.h"

struct fault;

/* One key that a client holds. Embedded in the session; the secret's memory belongs to the session too. */
struct cancel_key {
    struct table_link link;
    uint32_t pid;
    uint32_t secret_bytes;          /* 0 = not registered */
    const unsigned char *secret;
    int worker;                     /* pooled: whose client it is */
    uint64_t client_id;
    const struct address *backend;  /* direct: where the key itself is valid; NULL = pooled */
};

struct cancel_keys {
    pthread_mutex_t lock;
    struct table table; /* [l] */
};

/* What a key stands for, copied out of the table. */
struct cancel_target {
    int worker;
    uint64_t client_id;
    bool direct;
    struct address backend;
};

void cancel_keys_open(struct cancel_keys *keys);
void cancel_keys_close(struct cancel_keys *keys);

/* Registers a key; the caller filled in everything but the link. False when (pid, secret) exists already or
 * memory ran out. */
bool cancel_keys_add(struct cancel_keys *keys, struct cancel_key *key);
void cancel_keys_remove(struct cancel_keys *keys, struct cancel_key *key); /* no-op when not registered */
bool cancel_keys_find(struct cancel_keys *keys, uint32_t pid, const void *secret, size_t bytes,
                      struct cancel_target *target);

/* Sends one CancelRequest and waits for PostgreSQL to close the connection. `done` is called exactly once, on
 * this thread, also when the delivery failed or took longer than limit_us. */
struct cancel_request {
    const struct address *backend;
    uint32_t pid;
    const void *secret;
    size_t bytes;
    uint64_t limit_us;
};
void cancel_deliver(struct stream_engine *engine, struct list *deliveries,
                    const struct cancel_request *request, void (*done)(void *owner), void *owner);
/* Gives up those that take too long, all of them at UINT64_MAX; returns how many. */
int cancel_sweep(struct list *deliveries, uint64_t now_us);
