/* SPDX-License-Identifier: PostgreSQL
 * lookup_scene - look-ups at a real PostgreSQL for unit tests: one loop for main and a worker. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/auth/lookup.h"
#include "gateway/auth/users.h"
#include "gateway/base/check.h"
#include "gateway/auth/passfile.h"
#include "gateway/gateway.h"
#include "gateway/net/tls_context.h"
#include "tests/unit/config_text.h"
#include "tests/unit/lookup_server.h"
#include "tests/unit/loop.h"

struct scene {
    struct ev_loop *loop;
    struct mailbox worker;
    struct counters counters;
    struct upstreams upstreams;
    struct generation *generation;
    struct lookups *lookups;
    int answered, found, none, failed; /* requests that came back */
    uint64_t last_us;                  /* when the last one did */
    char text[2048]; /* what it found, several texts joined by commas; "none"; or the fault's SQLSTATE */
};

static struct scene scene;

static const struct tls_setup scene_tls = { .protocols = "secure", .ciphers = "default", .ciphers13 = "" };

/* More lines for the configuration come from `auth` and `more`. Hosts are a list in libconfig's language. */
static inline struct generation *scene_generation(const char *hosts, const char *auth, const char *more)
{
    static const char users[] = "\"pgsluice\" \"lookup-secret\"\n";
    struct access access = { 0 };
    struct snapshot *snapshot;
    struct fault fault;
    char text[4096];

    snprintf(text, sizeof text,
             CONFIG_LISTENERS "upstreams = ( { name = \"main\"; hosts = [ %s ]; } );\n"
             "auth = { auth_type = \"scram-sha-256\"; auth_user = \"pgsluice\"; %s };\n%s",
             hosts, auth, more);
    snapshot = config_text_valid(text);
    upstreams_close(&scene.upstreams);
    CHECK(upstreams_open(&scene.upstreams, snapshot, &fault));
    access.users = users_parse(users, sizeof users - 1, "users", &fault);
    if (snapshot->auth.passfile != NULL)
        access.passfile = passfile_load(snapshot->auth.passfile, text, sizeof text, &fault);
    access.server_tls = tls_context_new(&scene_tls, &fault);
    return generation_new(snapshot, &access, &scene.upstreams);
}

static inline void scene_open(const char *hosts, const char *auth, const char *more)
{
    scene.loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
    scene.generation = scene_generation(hosts, auth, more);
    mailbox_open(&scene.worker, scene.loop, NULL);
    scene.lookups = lookups_new(scene.loop, scene.generation, &scene.counters);
    CHECK(scene.lookups != NULL);
}

static inline void scene_close(void)
{
    lookups_free(scene.lookups);
    mailbox_close(&scene.worker);
    generation_release(scene.generation);
    upstreams_close(&scene.upstreams);
    ev_loop_destroy(scene.loop);
    PQfinish(administrator);
    administrator = NULL;
    memset(&scene, 0, sizeof scene);
}

static inline void scene_answered(struct lookup_request *request)
{
    scene.answered++;
    scene.last_us = clock_now_us();
    scene.found += request->outcome == LOOKUP_FOUND;
    scene.none += request->outcome == LOOKUP_NONE;
    scene.failed += request->outcome == LOOKUP_FAILED;
    snprintf(scene.text, sizeof scene.text, "%s",
             request->outcome == LOOKUP_NONE ? "none" : request->fault.sqlstate);
    if (request->outcome == LOOKUP_FOUND) {
        size_t bytes = request->found.bytes < sizeof scene.text ? request->found.bytes : sizeof scene.text;

        memcpy(scene.text, request->found.text, bytes);
        for (size_t i = 0; i + 1 < bytes; i++)
            scene.text[i] = scene.text[i] == '\0' ? ',' : scene.text[i];
    }
    lookup_request_free(request);
}

static inline struct lookup_request *scene_request(enum lookup_kind kind, const char *user)
{
    struct lookup_request *request = lookup_request_new(scene.lookups, scene.generation, kind,
                                                        &scene.generation->upstreams->items[0], user);

    CHECK(request != NULL);
    request->reply_to = &scene.worker;
    request->answered = scene_answered;
    return request;
}

#define scene_send(user) lookup_send(scene_request(LOOKUP_SECRET, user))

/* Asks, waits, and returns the answer's text. */
static inline const char *scene_ask(enum lookup_kind kind, const char *user)
{
    int before = scene.answered;

    lookup_send(scene_request(kind, user));
    loop_until(scene.loop, scene.answered > before);
    return scene.text;
}
