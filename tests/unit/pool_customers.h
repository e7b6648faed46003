/* SPDX-License-Identifier: PostgreSQL
 * pool_customers - those who take servers in the scene of a pool, and the end of the scene. */
#pragma once

#include "tests/unit/pool_scene.h"

static inline void customer_granted(struct waiter *waiter, struct server *server)
{
    struct customer *customer = list_entry(waiter, struct customer, waiter);

    CHECK(server == NULL || (server->state == SERVER_ACTIVE && server->shard == customer->side->shard));
    customer->server = server;
    customer->granted++;
    customer->order = ++scene.order;
}

static inline void customer_failed(struct waiter *waiter, const struct fault *fault, const void *message,
                                   size_t bytes)
{
    struct customer *customer = list_entry(waiter, struct customer, waiter);

    CHECK((message == NULL) == (bytes == 0));
    customer->failed++;
    customer->message_bytes = bytes;
    strcpy(customer->sqlstate, fault->sqlstate);
}

static inline void customer_init(struct customer *customer, int side, enum want want, struct profile *profile)
{
    memset(customer, 0, sizeof *customer);
    customer->side = &scene.sides[side];
    customer->waiter = (struct waiter){ .want = want, .profile = profile, .startup_name = "",
                                        .granted = customer_granted, .failed = customer_failed };
    list_init(&customer->waiter.link);
}

/* Queues, or has the server at once. */
static inline void customer_take(struct customer *customer)
{
    struct server *server = pool_take(customer->side->shard, &customer->waiter);

    if (server != NULL)
        customer_granted(&customer->waiter, server);
}

static inline void customer_give(struct customer *customer)
{
    struct server *server = customer->server;

    customer->server = NULL;
    pool_give(server);
}

static inline void customer_close(struct customer *customer)
{
    struct server *server = customer->server;

    customer->server = NULL;
    server_close(server, "the test closes it");
}

/* Everything that is left is closed; the fake server must see everybody go. Twice, as workers do: a letter
 * that was under way may bring another server. */
static inline void scene_close(void)
{
    for (int i = 0; i < 2; i++)
        pool_close_thread(&scene.sides[i].thread);
    for (int i = 0; i < 2; i++)
        mailbox_close(&scene.sides[i].mailbox);
    for (int i = 0; i < 2; i++)
        pool_close_thread(&scene.sides[i].thread);
    CHECK(atomic_load(&scene.pool->open) == 0 && atomic_load(&scene.pool->uncounted) == 0);
    CHECK(atomic_load(&scene.pool->waiting) == 0 && atomic_load(&scene.pool->references) == 1);
    pool_release(scene.pool);
    pools_close(&scene.pools);
    for (int i = 0; i < 2; i++) {
        stream_engine_close(&scene.sides[i].engine);
        ev_loop_destroy(scene.sides[i].loop);
    }
    upstreams_close(&scene.upstreams);
    snapshot_release(scene.snapshot);
    for (uint64_t since_us = clock_now_us(); scene.fake.open > 0; fake_turn(&scene.fake))
        CHECK(clock_now_us() < since_us + SCENE_PATIENCE_US);
    fake_close(&scene.fake);
}
