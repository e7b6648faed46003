/* SPDX-License-Identifier: PostgreSQL
 * lookup_flight - one question about a user that is waiting or being asked, and all who wait for it. */
#include "gateway/auth/lookup_flight.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/auth/lookup_target.h"
#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/gateway.h"

/* A role that was just made can log in soon. */
enum { NONE_TTL_US = 1000000 };

static struct lookup_request *flight_next(struct lookup_target *target, struct lookup_flight *flight)
{
    struct lookup_request *request;

    if (list_empty(&flight->requests))
        return NULL;
    request = list_entry(flight->requests.next, struct lookup_request, link);
    list_remove(&request->link);
    target->lookups->waiting--;
    return request;
}

static void flight_free(struct lookup_target *target, struct lookup_flight *flight)
{
    CHECK(list_empty(&flight->requests));
    table_remove(&target->flights, &flight->hashed);
    list_remove(&flight->link);
    free(flight);
}

/* What the client reads is the same whatever went wrong. */
static void request_fail(struct lookup_request *request)
{
    if (request->lookups->closing)
        lookup_reply_fault(request, "57P01", "the gateway is stopping");
    else
        lookup_reply_fault(request, "08006", "could not look up the user; try again later");
}

void flight_fail(struct lookup_target *target, struct lookup_flight *flight)
{
    struct lookup_request *request;

    while ((request = flight_next(target, flight)) != NULL)
        request_fail(request);
    flight_free(target, flight);
}

void flight_answer(struct lookup_target *target, struct lookup_flight *flight,
                   const struct lookup_text *found)
{
    uint64_t ttl_us = target->generation->snapshot->auth.cache_ttl_us;
    struct lookup_request *request;

    if (found->text == NULL && ttl_us > NONE_TTL_US)
        ttl_us = NONE_TTL_US;
    if (ttl_us > 0 && !lookup_target_is_retired(target))
        lookup_cache_put(target->lookups->cache, &flight->key, found, clock_now_us() + ttl_us);
    while ((request = flight_next(target, flight)) != NULL)
        lookup_reply(request, found);
    flight_free(target, flight);
}

static struct lookup_flight *flight_find(struct lookup_target *target, const struct lookup_key *key,
                                         uint64_t hash)
{
    for (struct table_link *at = table_find(&target->flights, hash); at != NULL; at = table_next(at)) {
        struct lookup_flight *flight = table_entry(at, struct lookup_flight, hashed);

        if (!flight->asked && flight->key.kind == key->kind && strcmp(flight->user, key->user) == 0)
            return flight;
    }
    return NULL;
}

static struct lookup_flight *flight_new(struct lookup_target *target, const struct lookup_key *key,
                                        uint64_t hash)
{
    size_t bytes = strlen(key->user) + 1;
    struct lookup_flight *flight = calloc(1, sizeof *flight + bytes);

    if (flight == NULL || !table_add(&target->flights, &flight->hashed, hash)) {
        free(flight);
        return NULL;
    }
    memcpy(flight->user, key->user, bytes);
    flight->key = (struct lookup_key){ key->kind, key->upstream, flight->user };
    list_init(&flight->requests);
    list_append(&target->queue, &flight->link);
    return flight;
}

void flight_join(struct lookup_target *target, struct lookup_request *request)
{
    const struct lookup_key *key = &request->key;
    uint64_t hash = table_hash(key->user, strlen(key->user), (uint64_t)key->kind);
    struct lookup_flight *flight = flight_find(target, key, hash);

    if (flight == NULL)
        flight = flight_new(target, key, hash);
    if (flight == NULL) {
        request_fail(request);
        return;
    }
    list_append(&flight->requests, &request->link);
    target->lookups->waiting++;
}

static void requests_expire(struct lookup_target *target, struct lookup_flight *flight, uint64_t now_us)
{
    list_each(link, following, &flight->requests) {
        struct lookup_request *request = list_entry(link, struct lookup_request, link);

        if (now_us < request->deadline_us)
            continue;
        list_remove(&request->link);
        target->lookups->waiting--;
        request_fail(request);
    }
}

void flights_expire(struct lookup_target *target, uint64_t now_us)
{
    list_each(at, following, &target->asking)
        requests_expire(target, list_entry(at, struct lookup_flight, link), now_us);
    list_each(at, following, &target->queue) {
        struct lookup_flight *flight = list_entry(at, struct lookup_flight, link);

        requests_expire(target, flight, now_us);
        if (list_empty(&flight->requests))
            flight_free(target, flight);
    }
}
