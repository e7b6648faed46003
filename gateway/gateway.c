/* SPDX-License-Identifier: PostgreSQL
 * gateway - the process: generations of configuration, signals, start and end. Main thread. */
#include "gateway/gateway.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/auth/users.h"
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

struct generation *generation_new(struct snapshot *snapshot, struct users *users, struct upstreams *upstreams)
{
    struct generation *generation = calloc(1, sizeof *generation);

    CHECK(generation != NULL);
    atomic_init(&generation->references, 1);
    generation->snapshot = snapshot;
    generation->users = users;
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
    users_free(generation->users);
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

    if (gateway->upstreams != NULL && same_upstreams(&gateway->upstreams->upstreams, snapshot))
        return &gateway->upstreams->upstreams;
    node = calloc(1, sizeof *node);
    CHECK(node != NULL);
    if (!upstreams_open(&node->upstreams, snapshot, fault)) {
        upstreams_close(&node->upstreams);
        free(node);
        return NULL;
    }
    node->older = gateway->upstreams;
    gateway->upstreams = node;
    resolver_watch(&node->upstreams);
    return &node->upstreams;
}

struct generation *gateway_generation(struct gateway *gateway, struct snapshot *snapshot, struct fault *fault)
{
    struct users *users = NULL;
    struct upstreams *upstreams;
    char warning[512] = "";

    if (snapshot->auth_file != NULL) {
        users = users_load(snapshot->auth_file, warning, sizeof warning, fault);
        if (users == NULL)
            return NULL;
        if (*warning != '\0')
            log_warn("main", "%s", warning);
    }
    upstreams = upstreams_for(gateway, snapshot, fault);
    if (upstreams == NULL) {
        users_free(users);
        return NULL;
    }
    return generation_new(snapshot, users, upstreams);
}

bool gateway_open(struct gateway *gateway, struct snapshot *snapshot, struct fault *fault)
{
    struct pool_thread **threads;

    server_session_free = session_free;
    gateway->started_us = clock_now_us();
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
    cancel_keys_open(&gateway->cancel_keys);
    statements_open(&gateway->statements);
    for (int i = 0; i < gateway->worker_count; i++)
        if (!worker_open(&gateway->workers[i], gateway, i, fault))
            return false;
    return true;
}

void gateway_close(struct gateway *gateway)
{
    for (int i = 0; i < gateway->worker_count; i++)
        worker_close(&gateway->workers[i]);
    free(gateway->workers);
    free(gateway->pools.threads);
    pools_close(&gateway->pools);
    cancel_keys_close(&gateway->cancel_keys);
    statements_close(&gateway->statements);
    generation_release(gateway->generation);
    while (gateway->upstreams != NULL) {
        struct upstreams_node *node = gateway->upstreams;

        gateway->upstreams = node->older;
        upstreams_close(&node->upstreams);
        free(node);
    }
}
