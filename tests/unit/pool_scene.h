/* SPDX-License-Identifier: PostgreSQL
 * pool_scene - a pool of two workers for unit tests, both turned by the test itself, and customers who wait.
 * For one test program each: what is here is its scenery, not shared state. */
#pragma once

#include "conf/problems.h"
#include "gateway/base/clock.h"
#include "router/hosts.h"
#include "router/pool.h"
#include "tests/unit/fake_upstream.h"

enum { SCENE_PATIENCE_US = 20000000 };

struct side {
    struct ev_loop *loop;
    struct stream_engine engine;
    struct mailbox mailbox;
    struct pool_thread thread;
    struct pool_shard *shard;
};

struct customer {
    struct waiter waiter;
    struct side *side;
    struct server *server;
    int granted, failed, order; /* order: who was served before whom, 1 is the first */
    char sqlstate[6];
    size_t message_bytes;
};

struct scene {
    struct fake_upstream fake;
    struct side sides[2];
    struct pool_thread *threads[2];
    struct snapshot *snapshot;
    struct upstreams upstreams;
    struct pools pools;
    struct pool *pool;
    struct profile *plain, *other; /* two sets of startup parameters */
    int order;
};

static struct scene scene;

static inline void scene_turn(void)
{
    for (int i = 0; i < 2; i++) {
        scene.sides[i].thread.now_us = clock_now_us();
        ev_run(scene.sides[i].loop, EVRUN_NOWAIT);
    }
    fake_turn(&scene.fake);
}

#define scene_until(condition)                                                                      \
    for (uint64_t scene_since_us = clock_now_us(); !(condition); scene_turn())                      \
    CHECK(clock_now_us() < scene_since_us + SCENE_PATIENCE_US)

static inline void scene_a_while(void)
{
    for (int i = 0; i < 50; i++)
        scene_turn();
}

static inline void side_open(struct side *side, int index)
{
    side->loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
    CHECK(side->loop != NULL && stream_engine_open(&side->engine, side->loop));
    mailbox_open(&side->mailbox, side->loop, side);
    side->thread = (struct pool_thread){ .index = index, .engine = &side->engine, .mailbox = &side->mailbox,
                                         .now_us = clock_now_us(), .who = "side" };
    list_init(&side->thread.shards);
    list_init(&side->thread.lingering);
    scene.threads[index] = &side->thread;
}

static inline struct profile *scene_profile(const char *name, const char *value)
{
    struct startup_parameter parameter = { name, value };
    struct startup startup = { .parameters = &parameter, .parameter_count = 1 };
    struct pairs settings = { .count = 0 };

    return profiles_intern(&scene.pool->profiles, &startup, &settings);
}

/* Opens everything; the pool may open `size` servers. */
static inline void scene_open(int size)
{
    struct route_options route;
    struct problems problems;
    struct fault fault;
    char address[32];

    memset(&scene, 0, sizeof scene);
    fake_open(&scene.fake);
    for (int i = 0; i < 2; i++)
        side_open(&scene.sides[i], i);
    snprintf(address, sizeof address, "127.0.0.1:%d", scene.fake.port);
    CHECK(problems_init(&problems) && (scene.snapshot = snapshot_from_upstream(address, &problems)) != NULL);
    problems_free(&problems);
    CHECK(upstreams_open(&scene.upstreams, scene.snapshot, &fault));
    pools_open(&scene.pools, scene.threads, 2);
    route = *snapshot_builtin_route(scene.snapshot, MODE_TRANSACTION);
    route.pool.default_pool_size = size;
    route.pool.server_login_retry_us = 20000;
    scene.pool = pools_get(&scene.pools, "db", "ann", &route, &scene.upstreams.items[0]);
    CHECK(scene.pool != NULL);
    for (int i = 0; i < 2; i++)
        scene.sides[i].shard = pool_shard(scene.pool, &scene.sides[i].thread);
    scene.plain = scene_profile("TimeZone", "UTC");
    scene.other = scene_profile("TimeZone", "CET");
}
