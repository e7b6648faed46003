/* SPDX-License-Identifier: PostgreSQL
 * lookup_target - who waits for an answer of one upstream, and when connections to it are made and ended. */
#include "gateway/auth/lookup_target.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/auth/lookup_flight.h"
#include "gateway/auth/lookup_link.h"
#include "gateway/auth/lookup_place.h"
#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/gateway.h"

enum { RETRY_US = 200000, ANSWER_US = 6000000, IDLE_US = 60000000, SAID_EVERY_US = 1000000 };

/* Superusers are members of what they were granted only, as for the +role of pg_hba.conf. One row more than
 * is accepted shows that there are too many. */
static const char roles_query[] =
    "WITH RECURSIVE mine(id) AS ("
    "SELECT r.oid FROM pg_catalog.pg_roles AS r WHERE r.rolname OPERATOR(pg_catalog.=) $1::pg_catalog.text "
    "UNION SELECT m.roleid FROM pg_catalog.pg_auth_members AS m JOIN mine "
    "ON m.member OPERATOR(pg_catalog.=) mine.id) "
    "SELECT r.rolname::pg_catalog.text FROM pg_catalog.pg_roles AS r JOIN mine "
    "ON r.oid OPERATOR(pg_catalog.=) mine.id ORDER BY 1 LIMIT 1001";

struct lookup_target *lookup_target_new(struct lookups *lookups, struct generation *generation,
                                        struct upstream *upstream)
{
    struct lookup_target *target = calloc(1, sizeof *target);

    if (target == NULL)
        return NULL;
    target->lookups = lookups;
    target->generation = generation_retain(generation);
    target->upstream = upstream;
    list_init(&target->link);
    list_init(&target->links);
    list_init(&target->queue);
    list_init(&target->asking);
    return target;
}

bool lookup_target_is_retired(const struct lookup_target *target)
{
    return target->generation != target->lookups->generation;
}

static void say(struct lookup_target *target, const struct fault *fault)
{
    uint64_t now_us = clock_now_us();

    if (target->said_us != 0 && now_us < target->said_us + SAID_EVERY_US) {
        target->unsaid++;
        return;
    }
    log_error("lookup", "upstream=%s user=%s database=%s: could not look up: %s (%s) unreported=%u",
              target->upstream->name, target->generation->snapshot->auth.user,
              target->generation->snapshot->auth.dbname, fault->message, fault->sqlstate, target->unsaid);
    target->said_us = now_us;
    target->unsaid = 0;
}

static void queue_fail(struct lookup_target *target)
{
    while (!list_empty(&target->queue))
        flight_fail(target, list_entry(target->queue.next, struct lookup_flight, link));
}

static void link_close(struct lookup_target *target, struct lookup_link *link)
{
    list_remove(&link->link);
    target->link_count--;
    lookup_link_close(link);
}

/* All addresses have their turn, then there is a pause. */
static void connect_failed(struct lookup_target *target, const struct fault *why)
{
    uint64_t retry_us = target->generation->snapshot->defaults.server_login_retry_us;
    unsigned addresses = 0;

    for (size_t i = 0; i < target->upstream->host_count; i++) {
        struct host_addresses *found = atomic_load(&target->upstream->hosts[i].addresses);

        addresses += found == NULL ? 0 : (unsigned)found->count;
    }
    target->attempt++;
    say(target, why);
    if (++target->failures < addresses)
        return;
    target->failures = 0;
    target->paused_until_us = clock_now_us() + (retry_us < RETRY_US ? retry_us : RETRY_US);
}

/* The question of a lost connection is asked once more: an idle one may have been dead for long. */
static void asker_repeat(struct lookup_target *target, struct lookup_link *link)
{
    struct lookup_flight *flight = link->asker;

    if (flight->repeated) {
        say(target, &link->query.fault);
        flight_fail(target, flight);
        return;
    }
    flight->repeated = true;
    flight->asked = false;
    list_remove(&flight->link);
    list_push(&target->queue, &flight->link);
}

static struct lookup_link *link_idle(struct lookup_target *target, int *connecting)
{
    *connecting = 0;
    list_each(at, following, &target->links) {
        struct lookup_link *link = list_entry(at, struct lookup_link, link);

        if (link->query.state == LINK_IDLE)
            return link;
        *connecting += link->query.state == LINK_CONNECTING;
    }
    return NULL;
}

static void link_give(struct lookup_target *target, struct lookup_link *link)
{
    struct lookup_flight *flight = list_entry(target->queue.next, struct lookup_flight, link);
    const char *auth_query = target->generation->snapshot->auth.query;
    const char *query = flight->key.kind == LOOKUP_ROLES ? roles_query : auth_query;

    list_remove(&flight->link);
    list_append(&target->asking, &flight->link);
    flight->asked = true;
    link->query.since_us = clock_now_us();
    if (lookup_link_ask(link, query, &flight->key, flight))
        return;
    asker_repeat(target, link);
    link_close(target, link);
}

static void on_news(struct lookup_link *link, enum link_news news);

static void link_open(struct lookup_target *target)
{
    struct lookup_place place;
    struct lookup_link *link = NULL;
    struct fault fault;

    if (lookup_place_find(&place, target->generation, target->upstream, target->attempt, &fault))
        link = lookup_link_open(target->lookups->loop, &place, target, on_news, &fault);
    explicit_bzero(&place, sizeof place);
    if (link == NULL) {
        connect_failed(target, &fault);
        return;
    }
    link->query.since_us = clock_now_us();
    list_append(&target->links, &link->link);
    target->link_count++;
}

static size_t queue_length(const struct lookup_target *target, size_t at_most)
{
    size_t length = 0;

    for (struct list *at = target->queue.next; at != &target->queue && length < at_most; at = at->next)
        length++;
    return length;
}

/* Gives out what waits, and opens connections for the rest; without any, and during the pause after a
 * failure, what waits fails. */
static void pump(struct lookup_target *target)
{
    int most = target->generation->snapshot->auth.lookup_connections;
    struct lookup_link *idle;
    int connecting;

    while (!list_empty(&target->queue) && (idle = link_idle(target, &connecting)) != NULL)
        link_give(target, idle);
    if (list_empty(&target->queue))
        return;
    while (target->link_count < most && clock_now_us() >= target->paused_until_us &&
           (size_t)connecting < queue_length(target, (size_t)most)) {
        int before = target->link_count;

        link_open(target);
        connecting += target->link_count - before;
    }
    if (target->link_count == 0)
        queue_fail(target);
}

static void on_answered(struct lookup_target *target, struct lookup_link *link, bool answered)
{
    struct lookup_flight *flight = link->asker;

    link->asker = NULL;
    link->query.since_us = clock_now_us();
    if (answered) {
        atomic_fetch_add(&target->lookups->counters->lookups_done, 1);
        flight_answer(target, flight, &link->found);
    } else {
        say(target, &link->query.fault);
        flight_fail(target, flight);
    }
    lookup_text_free(&link->found);
}

static void on_news(struct lookup_link *link, enum link_news news)
{
    struct lookup_target *target = link->owner;

    switch (news) {
    case LINK_READY:
        link->query.since_us = clock_now_us();
        target->failures = 0;
        break;
    case LINK_ANSWERED:
    case LINK_FAILED:
        on_answered(target, link, news == LINK_ANSWERED);
        break;
    case LINK_SPOILED:
        on_answered(target, link, false);
        link_close(target, link);
        break;
    case LINK_LOST:
        if (link->query.state == LINK_CONNECTING)
            connect_failed(target, &link->query.fault);
        else if (link->query.state == LINK_ASKING)
            asker_repeat(target, link);
        link_close(target, link);
        break;
    }
    pump(target);
}

void lookup_target_ask(struct lookup_target *target, struct lookup_request *request)
{
    flight_join(target, request);
    pump(target);
}

/* How long a connection may stay in its state. */
static uint64_t patience_us(const struct lookup_target *target, const struct lookup_link *link)
{
    if (link->query.state == LINK_CONNECTING)
        return target->generation->snapshot->defaults.server_connect_timeout_us;
    if (link->query.state == LINK_ASKING)
        return ANSWER_US;
    return lookup_target_is_retired(target) ? 0 : IDLE_US;
}

static void link_expire(struct lookup_target *target, struct lookup_link *link)
{
    fault_set(&link->query.fault, "08006", "PostgreSQL did not answer in time");
    if (link->query.state == LINK_CONNECTING)
        connect_failed(target, &link->query.fault);
    else if (link->query.state == LINK_ASKING)
        on_answered(target, link, false);
    link_close(target, link);
}

bool lookup_target_sweep(struct lookup_target *target, uint64_t now_us)
{
    flights_expire(target, now_us);
    list_each(at, following, &target->links) {
        struct lookup_link *link = list_entry(at, struct lookup_link, link);

        if (now_us >= link->query.since_us + patience_us(target, link))
            link_expire(target, link);
    }
    pump(target);
    return target->link_count > 0 || target->flights.count > 0 ||
           (now_us < target->paused_until_us && !lookup_target_is_retired(target));
}

void lookup_target_free(struct lookup_target *target)
{
    while (!list_empty(&target->links))
        link_close(target, list_entry(target->links.next, struct lookup_link, link));
    queue_fail(target);
    while (!list_empty(&target->asking))
        flight_fail(target, list_entry(target->asking.next, struct lookup_flight, link));
    table_free(&target->flights);
    list_remove(&target->link);
    generation_release(target->generation);
    free(target);
}
