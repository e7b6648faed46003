/* SPDX-License-Identifier: PostgreSQL
 * lookup - what PostgreSQL knows about a user: requests, their letters, and which target they belong to. */
#include "gateway/auth/lookup.h"

#include <ev.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/auth/lookup_place.h"
#include "gateway/auth/lookup_target.h"
#include "gateway/auth/users.h"
#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/gateway.h"

#define SWEEP_SECONDS 0.05

struct lookup_request *lookup_request_new(struct lookups *lookups, struct generation *generation,
                                          enum lookup_kind kind, struct upstream *upstream,
                                          const char *user)
{
    size_t bytes = strlen(user) + 1;
    struct lookup_request *request = calloc(1, sizeof *request + bytes);

    CHECK(generation->snapshot->auth.user != NULL);
    if (request == NULL)
        return NULL;
    memcpy(request->user, user, bytes);
    list_init(&request->link);
    request->lookups = lookups;
    request->generation = generation_retain(generation);
    request->key = (struct lookup_key){ kind, upstream, request->user };
    return request;
}

void lookup_request_free(struct lookup_request *request)
{
    if (request == NULL)
        return;
    lookup_text_free(&request->found);
    generation_release(request->generation);
    free(request);
}

static void outcome_set(struct lookup_request *request)
{
    request->outcome = request->found.text == NULL ? LOOKUP_NONE : LOOKUP_FOUND;
}

static bool cache_ask(struct lookup_request *request)
{
    struct lookups *lookups = request->lookups;

    lookup_text_free(&request->found);
    request->from_cache = lookup_cache_get(lookups->cache, &request->key, clock_now_us(), &request->found);
    if (!request->from_cache)
        return false;
    outcome_set(request);
    atomic_fetch_add(&lookups->counters->lookups_from_cache, 1);
    return true;
}

bool lookup_cached(struct lookup_request *request)
{
    return cache_ask(request);
}

void lookup_forget(const struct lookup_request *request)
{
    lookup_cache_drop(request->lookups->cache, &request->key);
}

static void deliver_reply(struct letter *letter, void *owner)
{
    struct lookup_request *request = list_entry(letter, struct lookup_request, letter);

    (void)owner;
    if (request->abandoned)
        lookup_request_free(request);
    else
        request->answered(request);
}

static void send_back(struct lookup_request *request)
{
    request->letter.deliver = deliver_reply;
    mailbox_send(request->reply_to, &request->letter);
}

void lookup_reply_fault(struct lookup_request *request, const char *sqlstate, const char *sentence)
{
    request->outcome = LOOKUP_FAILED;
    fault_set(&request->fault, sqlstate, "%s", sentence);
    atomic_fetch_add(&request->lookups->counters->lookups_failed, 1);
    send_back(request);
}

void lookup_reply(struct lookup_request *request, const struct lookup_text *found)
{
    if (!lookup_text_copy(found, &request->found)) {
        lookup_reply_fault(request, "53200", "out of memory while the user was looked up");
        return;
    }
    outcome_set(request);
    send_back(request);
}

static struct lookup_target *target_find(struct lookups *lookups, const struct lookup_request *request)
{
    struct lookup_target *target;

    list_each(link, following, &lookups->targets) {
        target = list_entry(link, struct lookup_target, link);
        if (target->upstream == request->key.upstream && target->generation == request->generation)
            return target;
    }
    target = lookup_target_new(lookups, request->generation, request->key.upstream);
    if (target == NULL)
        return NULL;
    list_append(&lookups->targets, &target->link);
    ev_timer_again(lookups->loop, &lookups->sweep);
    return target;
}

static void deliver_request(struct letter *letter, void *owner)
{
    struct lookup_request *request = list_entry(letter, struct lookup_request, letter);
    static const struct lookup_text nothing;
    struct lookups *lookups = owner;
    struct lookup_target *target;

    if (lookups->closing) {
        lookup_reply_fault(request, "57P01", "the gateway is stopping");
    } else if (strlen(request->user) > USERS_NAME_MAX_BYTES) {
        lookup_reply(request, &nothing); /* PostgreSQL has no such names; a query might cut it into another */
    } else if (cache_ask(request)) { /* answered for another since */
        send_back(request);
    } else if (lookups->waiting >= LOOKUP_REQUESTS_MAX) {
        lookup_reply_fault(request, "53300", "too many users are being looked up; try again later");
    } else if ((target = target_find(lookups, request)) == NULL) {
        lookup_reply_fault(request, "53200", "out of memory while the user was looked up");
    } else {
        if (request->deadline_us == 0)
            request->deadline_us =
                clock_now_us() + request->generation->snapshot->defaults.server_connect_timeout_us;
        lookup_target_ask(target, request);
    }
}

void lookup_send(struct lookup_request *request)
{
    CHECK(request->reply_to != NULL && request->answered != NULL);
    request->letter.deliver = deliver_request;
    mailbox_send(&request->lookups->mailbox, &request->letter);
}

static void on_sweep(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct lookups *lookups = timer->data;
    uint64_t now_us = clock_now_us();

    (void)events;
    list_each(link, following, &lookups->targets) {
        struct lookup_target *target = list_entry(link, struct lookup_target, link);

        if (!lookup_target_sweep(target, now_us))
            lookup_target_free(target);
    }
    if (list_empty(&lookups->targets))
        ev_timer_stop(loop, timer);
}

struct lookups *lookups_new(struct ev_loop *loop, struct generation *generation, struct counters *counters)
{
    struct lookups *lookups = calloc(1, sizeof *lookups);

    if (lookups == NULL)
        return NULL;
    lookups->cache = lookup_cache_new();
    if (lookups->cache == NULL) {
        free(lookups);
        return NULL;
    }
    lookup_place_isolate();
    lookups->loop = loop;
    lookups->counters = counters;
    lookups->generation = generation_retain(generation);
    list_init(&lookups->targets);
    mailbox_open(&lookups->mailbox, loop, lookups);
    ev_timer_init(&lookups->sweep, on_sweep, 0., SWEEP_SECONDS);
    lookups->sweep.data = lookups;
    return lookups;
}

void lookups_reload(struct lookups *lookups, struct generation *generation)
{
    generation_retain(generation);
    generation_release(lookups->generation);
    lookups->generation = generation;
    lookup_cache_clear(lookups->cache);
}

void lookups_free(struct lookups *lookups)
{
    if (lookups == NULL)
        return;
    lookups->closing = true;
    mailbox_close(&lookups->mailbox);
    while (!list_empty(&lookups->targets))
        lookup_target_free(list_entry(lookups->targets.next, struct lookup_target, link));
    ev_timer_stop(lookups->loop, &lookups->sweep);
    CHECK(lookups->waiting == 0);
    lookup_cache_free(lookups->cache);
    generation_release(lookups->generation);
    free(lookups);
}
