/* SPDX-License-Identifier: PostgreSQL
 * hosts - the PostgreSQL servers behind an upstream, and where they are right now. */
#include "router/hosts.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/snapshot.h"
#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/fault.h"
#include "gateway/base/log.h"

static bool host_open(struct host *host, const char *text, struct fault *fault)
{
    struct host_addresses *found;

    if (!address_split(text, host->name, sizeof host->name, &host->port, fault))
        return false;
    tls_session_open(&host->session);
    found = calloc(1, sizeof *found);
    CHECK(found != NULL);
    host->numeric = address_numeric(host->name, host->port, &found->items[0]);
    if (!host->numeric) {
        free(found);
        return true;
    }
    found->count = 1;
    atomic_store(&host->addresses, found);
    return true;
}

static bool upstream_open(struct upstream *upstream, const struct upstream_options *options,
                          struct fault *fault)
{
    upstream->name = strdup(options->name);
    upstream->hosts = calloc(options->hosts.count, sizeof *upstream->hosts);
    CHECK(upstream->name != NULL && upstream->hosts != NULL);
    pthread_mutex_init(&upstream->lock, NULL);
    for (size_t i = 0; i < options->hosts.count; i++) {
        if (!host_open(&upstream->hosts[i], options->hosts.items[i], fault))
            return false;
        upstream->host_count++;
    }
    return true;
}

bool upstreams_open(struct upstreams *upstreams, const struct snapshot *snapshot, struct fault *fault)
{
    upstreams->items = calloc(snapshot->upstream_count, sizeof *upstreams->items);
    CHECK(upstreams->items != NULL);
    upstreams->count = snapshot->upstream_count;
    for (size_t i = 0; i < snapshot->upstream_count; i++)
        if (!upstream_open(&upstreams->items[i], &snapshot->upstreams[i], fault))
            return false;
    return true;
}

void upstreams_close(struct upstreams *upstreams)
{
    for (size_t i = 0; i < upstreams->count; i++) {
        struct upstream *upstream = &upstreams->items[i];

        for (size_t h = 0; h < upstream->host_count; h++) {
            struct host_addresses *found = atomic_load(&upstream->hosts[h].addresses), *older;

            for (; found != NULL; found = older) {
                older = found->older;
                free(found);
            }
            tls_session_close(&upstream->hosts[h].session);
        }
        tls_context_release(upstream->tls.context);
        pthread_mutex_destroy(&upstream->lock);
        free(upstream->hosts);
        free(upstream->name);
    }
    free(upstreams->items);
    upstreams->items = NULL;
    upstreams->count = 0;
}

struct upstream *upstreams_find(const struct upstreams *upstreams, const char *name)
{
    for (size_t i = 0; i < upstreams->count; i++)
        if (strcmp(upstreams->items[i].name, name) == 0)
            return &upstreams->items[i];
    return NULL;
}

static bool holds_address(const struct host_addresses *found, const struct address *address)
{
    for (size_t i = 0; i < found->count; i++)
        if (found->items[i].length == address->length &&
            memcmp(&found->items[i].storage, &address->storage, address->length) == 0)
            return true;
    return false;
}

/* Name servers turn the order from answer to answer. */
static bool holds_all(const struct host_addresses *found, const struct host_addresses *others)
{
    for (size_t i = 0; i < others->count; i++)
        if (!holds_address(found, &others->items[i]))
            return false;
    return true;
}

static void host_moved(struct host *host, struct host_addresses *found)
{
    char before[ADDRESS_TEXT_BYTES], now[ADDRESS_TEXT_BYTES];

    found->older = atomic_load(&host->addresses);
    if (found->older != NULL && holds_all(found, found->older) && holds_all(found->older, found)) {
        free(found);
        return;
    }
    atomic_store(&host->addresses, found);
    if (found->older == NULL || holds_all(found, found->older))
        return;
    address_print(&found->older->items[0], before, sizeof before);
    address_print(&found->items[0], now, sizeof now);
    log_info("resolver", "host=%s has moved from %s to %s", host->name, before, now);
    atomic_fetch_add(&host->epoch, 1);
}

static void host_resolve(struct host *host)
{
    struct addrinfo wanted = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *list = NULL;
    struct host_addresses *found = calloc(1, sizeof *found);
    char port[8];
    int error;

    if (found == NULL)
        return;
    snprintf(port, sizeof port, "%d", host->port);
    error = getaddrinfo(host->name, port, &wanted, &list);
    if (error != 0)
        log_warn("resolver", "host=%s could not be looked up: %s", host->name, gai_strerror(error));
    for (struct addrinfo *at = list; at != NULL && found->count < HOST_ADDRESSES_MAX; at = at->ai_next) {
        struct address *address = &found->items[found->count++];

        memcpy(&address->storage, at->ai_addr, at->ai_addrlen);
        address->length = at->ai_addrlen;
    }
    if (list != NULL)
        freeaddrinfo(list);
    if (found->count == 0)
        free(found); /* a failed look-up keeps what was known */
    else
        host_moved(host, found);
}

void upstreams_resolve(struct upstreams *upstreams, uint64_t max_ttl_us)
{
    for (size_t i = 0; i < upstreams->count; i++) {
        for (size_t h = 0; h < upstreams->items[i].host_count; h++) {
            struct host *host = &upstreams->items[i].hosts[h];
            uint64_t ttl_us = atomic_exchange(&host->troubled, false) ? 0 : max_ttl_us;
            uint64_t now_us = clock_now_us();

            if (host->numeric || (host->looked_up_us != 0 && now_us < host->looked_up_us + ttl_us))
                continue;
            host->looked_up_us = now_us;
            host_resolve(host);
        }
    }
}

void upstream_set_tls(struct upstream *upstream, const struct upstream_tls *tls)
{
    struct tls_context *before;

    pthread_mutex_lock(&upstream->lock);
    before = upstream->tls.context;
    upstream->tls = *tls;
    pthread_mutex_unlock(&upstream->lock);
    tls_context_release(before);
}

void upstream_get_tls(struct upstream *upstream, struct upstream_tls *tls)
{
    pthread_mutex_lock(&upstream->lock);
    *tls = upstream->tls;
    tls_context_retain(tls->context);
    pthread_mutex_unlock(&upstream->lock);
}
