/* SPDX-License-Identifier: PostgreSQL
 * control - one connection to each PostgreSQL server behind the gateway: when it is made, asked and given up,
 * and what becomes of the answers. */
#include "gateway/control/control.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/auth/lookup_place.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/random.h"
#include "gateway/gateway.h"
#include "router/hosts.h"

/* SOON_US: the least time between two questions. */
enum { SOON_US = 100000, ANSWER_US = 6000000, SAID_EVERY_US = 60000000 };

static void on_alarm(struct ev_loop *loop, ev_timer *alarm, int events);

static const struct snapshot *snapshot_of(const struct control *control)
{
    return control->controls->generation->snapshot;
}

static struct ev_loop *loop_of(const struct control *control)
{
    return control->controls->gateway->loop;
}

static void alarm_set(struct control *control, uint64_t wait_us)
{
    ev_timer_stop(loop_of(control), &control->alarm);
    ev_timer_set(&control->alarm, (double)wait_us / 1e6, 0.);
    ev_timer_start(loop_of(control), &control->alarm);
}

static void hang_up(struct control *control)
{
    census_free(control->census);
    control->census = NULL;
    if (control->linked)
        query_link_close(&control->query);
    control->linked = false;
    budget_give(&control->slot);
}

static void complain(struct control *control, const struct fault *fault)
{
    uint64_t now_us = clock_now_us();

    if (control->said_us != 0 && now_us < control->said_us + SAID_EVERY_US)
        return;
    control->said_us = now_us;
    log_warn("control", "host=%s:%d user=%s database=%s could not be asked about itself: %s (%s)",
             control->host->name, control->host->port, snapshot_of(control)->auth.user,
             snapshot_of(control)->auth.dbname, fault->message, fault->sqlstate);
}

/* The connection is given up, if there is one, and tried again. */
static void failed(struct control *control, const struct fault *fault)
{
    struct controls *controls = control->controls;

    complain(control, fault);
    pthread_mutex_lock(&controls->lock);
    if (control->failing_since_us == 0)
        control->failing_since_us = clock_now_us();
    control->fault = *fault;
    control->known = false;
    pthread_mutex_unlock(&controls->lock);
    hang_up(control);
    control->attempt++;
    alarm_set(control, snapshot_of(control)->control_interval_us);
    if (controls->news != NULL)
        controls->news(control, NULL);
}

static void answered(struct control *control)
{
    struct controls *controls = control->controls;
    struct census *census = control->census;
    bool changed;

    census->facts.asked_us = control->asked_us;
    census->facts.answered_us = clock_now_us();
    if (control->failing_since_us != 0)
        log_info("control", "host=%s:%d tells about itself again", control->host->name, control->host->port);
    pthread_mutex_lock(&controls->lock);
    changed = control->ever && control->facts.session_defaults != census->facts.session_defaults;
    control->facts = census->facts;
    control->known = control->ever = true;
    control->failing_since_us = 0;
    pthread_mutex_unlock(&controls->lock);
    if (changed) /* new sessions need servers that began with them */
        atomic_fetch_add(&controls->gateway->pools.epoch, 1);
    control->said_us = 0;
    control->census = NULL;
    alarm_set(control, control->soon ? SOON_US : snapshot_of(control)->control_interval_us);
    control->soon = false;
    if (controls->news != NULL)
        controls->news(control, census);
    census_free(census);
}

static void announcement_make(struct control *control)
{
    int want = 0, use = 0;

    if (control->controls->announce != NULL)
        control->controls->announce(control, &want, &use);
    announcement_print(control->announcement, control->controls->id, want, use);
}

static void ask(struct control *control)
{
    struct fault fault;

    announcement_make(control);
    control->asked_us = clock_now_us();
    control->census = census_new();
    if (control->census == NULL) {
        fault_set(&fault, "53200", "out of memory");
        failed(control, &fault);
    } else if (query_link_ask(&control->query, census_query(), control->announcement)) {
        alarm_set(control, ANSWER_US);
    } else {
        fault = control->query.fault;
        failed(control, &fault);
    }
}

static void on_news(struct query_link *query, enum link_news news)
{
    struct control *control = list_entry(query, struct control, query);
    struct fault fault = query->fault;

    if (news == LINK_READY) {
        budget_seat(&control->slot, (uint32_t)PQbackendPID(query->connection));
        ask(control);
    } else if (news == LINK_ANSWERED) {
        answered(control);
    } else {
        failed(control, &fault);
    }
}

static bool row_take(struct query_link *query, PGresult *result)
{
    struct control *control = list_entry(query, struct control, query);
    ExecStatusType status = PQresultStatus(result);
    const char *texts[5];

    if (status == PGRES_FATAL_ERROR) {
        query_link_error(&query->fault, result);
        return true;
    }
    if (status == PGRES_TUPLES_OK)
        return true;
    if (status != PGRES_SINGLE_TUPLE || PQnfields(result) != 5)
        return fault_set(&query->fault, "42804", "PostgreSQL answered something else than it was asked");
    for (int i = 0; i < 5; i++)
        texts[i] = PQgetvalue(result, 0, i);
    return census_row(control->census, texts, &query->fault);
}

/* Each of the host's addresses has its turn. */
static bool where_is(const struct control *control, struct upstream_place *where, struct fault *fault)
{
    const struct host_addresses *found = atomic_load(&control->host->addresses);

    if (found == NULL || found->count == 0)
        return fault_set(fault, "08001", "\"%s\" could not be looked up", control->host->name);
    where->address = found->items[control->attempt % found->count];
    where->host = control->host;
    return true;
}

static void dial(struct control *control)
{
    struct upstream_place where;
    struct lookup_place place;
    struct fault fault;

    announcement_make(control);
    control->asked_us = clock_now_us();
    control->query = (struct query_link){.news = on_news, .take = row_take};
    control->linked = where_is(control, &where, &fault) &&
                      lookup_place_at(&place, control->controls->generation, control->upstream, &where,
                                      control->announcement, &fault) &&
                      query_link_open(&control->query, loop_of(control), place.names, place.values, &fault);
    explicit_bzero(&place, sizeof place);
    if (control->linked) {
        budget_take_anyway(control->host->budget, SHARE_ADMIN, &control->slot);
        alarm_set(control, snapshot_of(control)->defaults.server_connect_timeout_us);
    } else {
        failed(control, &fault);
    }
}

static void on_alarm(struct ev_loop *loop, ev_timer *alarm, int events)
{
    struct control *control = alarm->data;
    struct fault fault;

    (void)loop;
    (void)events;
    if (!control->linked) {
        dial(control);
    } else if (control->query.state == LINK_IDLE) {
        ask(control);
    } else {
        fault_set(&fault, "08006", "PostgreSQL did not answer in time");
        failed(control, &fault);
    }
}

static struct control *find_named(struct controls *controls, const char *host, int port)
{
    list_each(link, following, &controls->all) {
        struct control *control = list_entry(link, struct control, link);

        if (control->host->port == port && strcmp(control->host->name, host) == 0)
            return control;
    }
    return NULL;
}

static void control_add(struct controls *controls, struct upstream *upstream, struct host *host)
{
    struct control *control = calloc(1, sizeof *control);

    if (control == NULL)
        return;
    control->controls = controls;
    control->upstream = upstream;
    control->host = host;
    ev_timer_init(&control->alarm, on_alarm, 0., 0.);
    control->alarm.data = control;
    pthread_mutex_lock(&controls->lock);
    list_append(&controls->all, &control->link);
    pthread_mutex_unlock(&controls->lock);
    alarm_set(control, 0);
}

static void control_drop(struct control *control)
{
    struct controls *controls = control->controls;

    pthread_mutex_lock(&controls->lock);
    list_remove(&control->link);
    pthread_mutex_unlock(&controls->lock);
    hang_up(control);
    ev_timer_stop(loop_of(control), &control->alarm);
    free(control);
}

static bool is_named(const struct upstreams *upstreams, const struct host *host)
{
    for (size_t i = 0; i < upstreams->count; i++)
        for (size_t h = 0; h < upstreams->items[i].host_count; h++)
            if (upstreams->items[i].hosts[h].port == host->port &&
                strcmp(upstreams->items[i].hosts[h].name, host->name) == 0)
                return true;
    return false;
}

/* One for each host of the configuration; none when nothing can log in. */
static void controls_match(struct controls *controls)
{
    struct upstreams *upstreams = controls->generation->upstreams;
    bool wanted = controls->generation->snapshot->auth.user != NULL;

    list_each(link, following, &controls->all) {
        struct control *control = list_entry(link, struct control, link);

        if (!wanted || !is_named(upstreams, control->host))
            control_drop(control);
    }
    for (size_t i = 0; wanted && i < upstreams->count; i++) {
        struct upstream *upstream = &upstreams->items[i];

        for (size_t h = 0; h < upstream->host_count; h++) {
            struct control *control = find_named(controls, upstream->hosts[h].name, upstream->hosts[h].port);

            if (control == NULL)
                control_add(controls, upstream, &upstream->hosts[h]);
            else
                control->upstream = upstream; /* the name may be another one now */
        }
    }
}

void controls_open(struct controls *controls, struct gateway *gateway)
{
    controls->gateway = gateway;
    controls->generation = generation_retain(gateway->generation);
    list_init(&controls->all);
    pthread_mutex_init(&controls->lock, NULL);
    random_fill(&controls->id, sizeof controls->id);
    controls_match(controls);
}

void controls_reload(struct controls *controls, struct generation *generation)
{
    struct generation *before = controls->generation;

    controls->generation = generation_retain(generation);
    controls_match(controls);
    generation_release(before);
}

void controls_close(struct controls *controls)
{
    if (controls->generation == NULL)
        return;
    while (!list_empty(&controls->all))
        control_drop(list_entry(controls->all.next, struct control, link));
    generation_release(controls->generation);
    pthread_mutex_destroy(&controls->lock);
}

struct control *controls_find(struct controls *controls, const struct host *host)
{
    return find_named(controls, host->name, host->port);
}

bool controls_facts(struct controls *controls, const struct host *host, struct host_facts *facts)
{
    const struct control *control;
    bool known = false;

    memset(facts, 0, sizeof *facts);
    pthread_mutex_lock(&controls->lock);
    control = find_named(controls, host->name, host->port);
    if (control != NULL) {
        *facts = control->facts;
        known = control->known;
    }
    pthread_mutex_unlock(&controls->lock);
    return known;
}

bool controls_failure(struct controls *controls, const char *host, int port, struct fault *fault)
{
    const struct control *control;
    bool failing = false;

    pthread_mutex_lock(&controls->lock);
    control = find_named(controls, host, port);
    if (control != NULL && !control->known) {
        fault_set(fault, "08001", "PostgreSQL was not asked yet");
        if (control->failing_since_us != 0)
            *fault = control->fault;
        failing = true;
    }
    pthread_mutex_unlock(&controls->lock);
    return failing;
}

static void deliver_soon(struct letter *letter, void *owner)
{
    struct controls *controls = list_entry(letter, struct controls, letter);

    (void)owner;
    atomic_store(&controls->pending, false);
    list_each(link, following, &controls->all) {
        struct control *control = list_entry(link, struct control, link);
        uint64_t next_us = control->asked_us + SOON_US, now_us = clock_now_us();

        if (!control->linked || control->query.state == LINK_IDLE)
            alarm_set(control, next_us > now_us ? next_us - now_us : 0);
        else
            control->soon = true;
    }
}

void controls_ask_soon(struct controls *controls)
{
    if (atomic_exchange(&controls->pending, true))
        return;
    controls->letter.deliver = deliver_soon;
    mailbox_send(&controls->gateway->mailbox, &controls->letter);
}
