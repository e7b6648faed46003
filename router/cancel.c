/* SPDX-License-Identifier: PostgreSQL
 * cancel - who may cancel what, and the delivery of a CancelRequest to PostgreSQL. */
#include "router/cancel.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/fault.h"
#include "gateway/base/log.h"
#include "gateway/net/socket.h"
#include "gateway/wire/startup.h"
#include "gateway/wire/write.h"

struct delivery {
    struct stream stream;
    struct list link;
    uint64_t deadline_us;
    void (*done)(void *owner);
    void *owner;
};

void cancel_keys_open(struct cancel_keys *keys)
{
    memset(keys, 0, sizeof *keys);
    pthread_mutex_init(&keys->lock, NULL);
}

void cancel_keys_close(struct cancel_keys *keys)
{
    CHECK(keys->table.count == 0);
    table_free(&keys->table);
    pthread_mutex_destroy(&keys->lock);
}

/* Found by pid alone and compared in constant time, so that timing tells nothing about the secret. */
static struct cancel_key *find(struct cancel_keys *keys, uint32_t pid, const void *secret, size_t bytes)
{
    uint64_t hash = table_hash(&pid, sizeof pid, 0);

    for (struct table_link *link = table_find(&keys->table, hash); link != NULL; link = table_next(link)) {
        struct cancel_key *key = table_entry(link, struct cancel_key, link);

        if (key->pid == pid && key->secret_bytes == bytes && CRYPTO_memcmp(key->secret, secret, bytes) == 0)
            return key;
    }
    return NULL;
}

bool cancel_keys_add(struct cancel_keys *keys, struct cancel_key *key)
{
    bool added = false;

    CHECK(key->secret_bytes > 0);
    pthread_mutex_lock(&keys->lock);
    if (find(keys, key->pid, key->secret, key->secret_bytes) == NULL)
        added = table_add(&keys->table, &key->link, table_hash(&key->pid, sizeof key->pid, 0)) != 0;
    pthread_mutex_unlock(&keys->lock);
    if (!added)
        key->secret_bytes = 0;
    return added;
}

void cancel_keys_remove(struct cancel_keys *keys, struct cancel_key *key)
{
    if (key->secret_bytes == 0)
        return;
    pthread_mutex_lock(&keys->lock);
    table_remove(&keys->table, &key->link);
    pthread_mutex_unlock(&keys->lock);
    key->secret_bytes = 0;
}

bool cancel_keys_find(struct cancel_keys *keys, uint32_t pid, const void *secret, size_t bytes,
                      struct cancel_target *target)
{
    struct cancel_key *key;

    pthread_mutex_lock(&keys->lock);
    key = find(keys, pid, secret, bytes);
    if (key != NULL) {
        target->worker = key->worker;
        target->client_id = key->client_id;
        target->direct = key->backend != NULL;
        if (target->direct)
            target->backend = *key->backend;
    }
    pthread_mutex_unlock(&keys->lock);
    return key != NULL;
}

static void finish(struct delivery *delivery)
{
    if (delivery->stream.fd < 0)
        return;
    list_remove(&delivery->link);
    stream_close(&delivery->stream);
    delivery->done(delivery->owner);
}

static size_t delivery_received(struct stream *stream, const unsigned char *bytes, size_t length)
{
    (void)stream;
    (void)bytes;
    return length;
}

static void delivery_drained(struct stream *stream)
{
    (void)stream;
}

static void delivery_ended(struct stream *stream, int error)
{
    (void)error;
    finish(list_entry(stream, struct delivery, stream));
}

static void delivery_released(struct stream *stream)
{
    free(list_entry(stream, struct delivery, stream));
}

static const struct stream_events delivery_events = {.received = delivery_received,
                                                     .drained = delivery_drained,
                                                     .ended = delivery_ended,
                                                     .released = delivery_released};

void cancel_deliver(struct stream_engine *engine, struct list *deliveries,
                    const struct cancel_request *request, void (*done)(void *owner), void *owner)
{
    struct delivery *delivery = calloc(1, sizeof *delivery);
    unsigned char packet[CANCEL_KEY_MAX_BYTES + 32];
    struct builder builder;
    struct fault fault;
    int fd = delivery == NULL ? -1 : socket_connect(request->backend, &fault);

    if (fd < 0) {
        log_warn("cancel", "a cancel request could not be delivered: %s",
                 delivery == NULL ? "out of memory" : fault.message);
        free(delivery);
        done(owner);
        return;
    }
    delivery->done = done;
    delivery->owner = owner;
    delivery->deadline_us = clock_now_us() + request->limit_us;
    list_append(deliveries, &delivery->link);
    stream_open(&delivery->stream, engine, fd, &delivery_events);
    builder_init(&builder, packet, sizeof packet);
    write_cancel(&builder, request->pid, request->secret, request->bytes);
    stream_send(&delivery->stream, builder.bytes, builder.used);
}

int cancel_sweep(struct list *deliveries, uint64_t now_us)
{
    int given_up = 0;

    list_each(link, following, deliveries) {
        struct delivery *delivery = list_entry(link, struct delivery, link);

        if (now_us < delivery->deadline_us)
            continue;
        if (now_us != UINT64_MAX)
            log_warn("cancel", "cancel_wait_timeout: PostgreSQL did not take a cancel request in time");
        finish(delivery);
        given_up++;
    }
    return given_up;
}
