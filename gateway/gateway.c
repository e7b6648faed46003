/* SPDX-License-Identifier: PostgreSQL
 * gateway - the process: generations of configuration, signals, start and end. Main thread. */
#include "gateway/gateway.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/admin/order.h"
#include "gateway/auth/lookup.h"
#include "gateway/auth/offload.h"
#include "gateway/auth/penalty.h"
#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/fault.h"
#include "gateway/base/log.h"
#include "gateway/base/random.h"
#include "gateway/listener.h"
#include "gateway/resolver.h"
#include "gateway/serve.h"
#include "gateway/session/owed.h"
#include "gateway/worker.h"

enum { HELPERS_PATIENCE_US = 1000000 };

struct generation *generation_new(struct snapshot *snapshot, const struct access *access,
                                  struct upstreams *upstreams)
{
    struct generation *generation = calloc(1, sizeof *generation);

    CHECK(generation != NULL);
    atomic_init(&generation->references, 1);
    generation->snapshot = snapshot;
    generation->access = *access;
    generation->upstreams = upstreams;
    generation->route_hits = calloc(snapshot->route_count + 1, sizeof *generation->route_hits);
    CHECK(generation->route_hits != NULL);
    return generation;
}

struct generation *generation_retain(struct generation *generation)
{
    atomic_fetch_add(&generation->references, 1);
    return generation;
}

void generation_release(struct generation *generation)
{
    if (atomic_fetch_sub(&generation->references, 1) > 1)
        return;
    snapshot_release(generation->snapshot);
    access_free(&generation->access);
    free((void *)generation->route_hits);
    free(generation);
}

/* Every version of the upstreams stays until the process ends: pools point into them. */
struct upstreams_node {
    struct upstreams upstreams;
    struct upstreams_node *older;
};

static bool same_strings(const struct strings *a, const struct upstream *b)
{
    char text[300];

    if (a->count != b->host_count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        struct fault fault;
        int port;

        if (!address_split(a->items[i], text, sizeof text, &port, &fault) || port != b->hosts[i].port ||
            strcmp(text, b->hosts[i].name) != 0)
            return false;
    }
    return true;
}

static bool same_upstreams(const struct upstreams *known, const struct snapshot *snapshot)
{
    if (known->count != snapshot->upstream_count)
        return false;
    for (size_t i = 0; i < known->count; i++)
        if (strcmp(known->items[i].name, snapshot->upstreams[i].name) != 0 ||
            !same_strings(&snapshot->upstreams[i].hosts, &known->items[i]))
            return false;
    return true;
}

static struct upstreams *upstreams_for(struct gateway *gateway, const struct snapshot *snapshot,
                                       struct fault *fault)
{
    struct upstreams_node *node;

    if (gateway->upstreams != NULL && same_upstreams(&gateway->upstreams->upstreams, snapshot)) {
        resolver_watch(&gateway->upstreams->upstreams, snapshot->dns_max_ttl_us);
        return &gateway->upstreams->upstreams;
    }
    node = calloc(1, sizeof *node);
    CHECK(node != NULL);
    if (!upstreams_open(&node->upstreams, snapshot, fault)) {
        upstreams_close(&node->upstreams);
        free(node);
        return NULL;
    }
    node->older = gateway->upstreams;
    gateway->upstreams = node;
    ledgers_attach(&gateway->budgets, &node->upstreams);
    resolver_watch(&node->upstreams, snapshot->dns_max_ttl_us);
    return &node->upstreams;
}

void gateway_each_upstream(struct gateway *gateway, void (*visit)(struct upstream *upstream, void *owner),
                           void *owner)
{
    for (struct upstreams_node *node = gateway->upstreams; node != NULL; node = node->older)
        for (size_t i = 0; i < node->upstreams.count; i++)
            visit(&node->upstreams.items[i], owner);
}

/* Threads for PAM and LDAP, once some configuration may ask them. */
static bool helpers_ready(struct gateway *gateway, const struct snapshot *snapshot, struct fault *fault)
{
    if (gateway->offload != NULL)
        offload_limit(gateway->offload, snapshot->auth.helper_queue);
    else if (snapshot->auth.type == AUTH_HBA)
        gateway->offload = offload_open(snapshot->auth.helper_threads, snapshot->auth.helper_queue, fault);
    return gateway->offload != NULL || snapshot->auth.type != AUTH_HBA;
}

struct generation *gateway_generation(struct gateway *gateway, struct snapshot *snapshot, struct fault *fault)
{
    struct upstreams *upstreams;
    struct access access;

    if (!helpers_ready(gateway, snapshot, fault) || !access_load(&access, snapshot, NULL, fault))
        return NULL;
    upstreams = upstreams_for(gateway, snapshot, fault);
    if (upstreams == NULL) {
        access_free(&access);
        return NULL;
    }
    access_apply(&access, snapshot, upstreams);
    return generation_new(snapshot, &access, upstreams);
}

bool gateway_open(struct gateway *gateway, struct snapshot *snapshot, struct fault *fault)
{
    struct pool_thread **threads;

    server_session_free = session_free;
    list_init(&gateway->orders);
    gateway->started_us = clock_now_us();
    budgets_open(&gateway->budgets);
    random_fill(gateway->mock_secret, sizeof gateway->mock_secret);
    gateway->generation = gateway_generation(gateway, snapshot, fault);
    if (gateway->generation == NULL)
        return false;
    gateway->worker_count = snapshot->workers > 0 ? snapshot->workers : (int)sysconf(_SC_NPROCESSORS_ONLN);
    gateway->workers = calloc((size_t)gateway->worker_count, sizeof *gateway->workers);
    threads = calloc((size_t)gateway->worker_count, sizeof *threads);
    CHECK(gateway->workers != NULL && threads != NULL);
    for (int i = 0; i < gateway->worker_count; i++)
        threads[i] = &gateway->workers[i].thread;
    pools_open(&gateway->pools, threads, gateway->worker_count);
    catalogs_open(&gateway->catalogs);
    cancel_keys_open(&gateway->cancel_keys);
    headcount_open(&gateway->headcount);
    memory_open(gateway);
    throttles_open(&gateway->throttles);
    hubs_open(&gateway->hubs);
    gateway->penalties = penalties_new();
    CHECK(gateway->penalties != NULL);
    statements_open(&gateway->statements);
    settings_open(&gateway->settings);
    gateway->lookups = lookups_new(gateway->loop, gateway->generation, &gateway->counters);
    CHECK(gateway->lookups != NULL);
    controls_open(&gateway->controls, gateway);
    ledgers_open(&gateway->ledgers, gateway);
    if (!hosts_watch_open(&gateway->hosts_watch, gateway, fault))
        return false;
    for (int i = 0; i < gateway->worker_count; i++)
        if (!worker_open(&gateway->workers[i], gateway, i, fault))
            return false;
    return true;
}

void gateway_close(struct gateway *gateway)
{
    if (gateway->offload != NULL)
        offload_close(gateway->offload, HELPERS_PATIENCE_US);
    gateway->budgets.wake = NULL; /* nobody is there any more to hear of it */
    ledgers_close(&gateway->ledgers);
    hosts_watch_close(&gateway->hosts_watch);
    controls_close(&gateway->controls);
    lookups_free(gateway->lookups); /* answers go to the workers' mailboxes */
    hubs_stop(&gateway->hubs);
    for (int i = 0; i < gateway->worker_count; i++)
        worker_close(&gateway->workers[i]);
    hubs_close(&gateway->hubs);
    offload_free(gateway->offload);
    orders_free(gateway);
    free(gateway->workers);
    free(gateway->pools.threads);
    pools_close(&gateway->pools);
    catalogs_close(&gateway->catalogs);
    cancel_keys_close(&gateway->cancel_keys);
    headcount_close(&gateway->headcount);
    throttles_close(&gateway->throttles);
    penalties_free(gateway->penalties);
    statements_close(&gateway->statements);
    settings_close(&gateway->settings);
    generation_release(gateway->generation);
    budgets_close(&gateway->budgets);
    while (gateway->upstreams != NULL) {
        struct upstreams_node *node = gateway->upstreams;

        gateway->upstreams = node->older;
        upstreams_close(&node->upstreams);
        free(node);
    }
}
