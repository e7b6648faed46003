/* SPDX-License-Identifier: PostgreSQL
 * order - a verb of the console on its way through the threads and home again. */
#include "gateway/admin/order.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/admin/tour.h"
#include "gateway/admin/verbs.h"
#include "gateway/base/clock.h"
#include "gateway/client.h"
#include "gateway/direct.h"
#include "gateway/gateway.h"
#include "gateway/reply.h"
#include "gateway/worker.h"

#define AGAIN_SECONDS 0.05

static void go_on(struct order *order);

const char *order_database(const struct order *order)
{
    return *order->words.database == '\0' ? NULL : order->words.database;
}

bool order_concerns(const struct order *order, const char *database)
{
    return *order->words.database == '\0' ||
           (database != NULL && strcmp(order->words.database, database) == 0);
}

static struct client *find_client(const struct worker *worker, uint64_t id)
{
    list_each(link, following, &worker->clients)
        if (list_entry(link, struct client, link)->id == id)
            return list_entry(link, struct client, link);
    return NULL;
}

static void note_hit(struct order *order, const struct client *client)
{
    size_t used = strlen(order->hits);

    order->directs++;
    if (used + 150 > sizeof order->hits)
        return;
    snprintf(order->hits + used, sizeof order->hits - used,
             "%sclient %llu: %s, user \"%.40s\", application \"%.40s\", for %llu s", used == 0 ? "" : "; ",
             (unsigned long long)client->id, class_name(client->verdict.class), client->identity.user,
             client->identity.application_name,
             (unsigned long long)((clock_now_us() - client->connected_us) / 1000000));
}

static void look(struct order *order, const struct worker *worker)
{
    list_each(link, following, &worker->clients) {
        const struct client *client = list_entry(link, struct client, link);

        if (client->state != CLIENT_DIRECT || !order_concerns(order, client->identity.database))
            continue;
        if (order->verb->argument != ARGUMENT_NUMBER || client->id == order->words.number)
            note_hit(order, client);
    }
}

/* Perhaps the name was mistyped; a database that nobody used yet may be meant all the same. */
static void tell_unknown(const struct order *order, struct client *client)
{
    struct fault fault;

    fault_set(&fault, "00000", "no pool of database \"%s\" is in use", order->words.database);
    fault_hint(&fault,
               "It takes effect for the pools to come. SHOW POOLS has the names of those that there are.");
    reply_notice(client, &fault);
}

/* What those read who asked, while it waits. */
static void tell(struct order *order, struct client *client)
{
    struct fault fault;

    if (order->told)
        return;
    order->told = true;
    if (order->directs == 0) {
        if (order->counts_pools && order->pools == 0 && order_database(order) != NULL)
            tell_unknown(order, client);
        return;
    }
    fault_set(&fault, "00000", "%s%zu direct session%s: %s", order->verb->hit_sentence, order->directs,
              order->directs == 1 ? "" : "s", order->hits);
    reply_notice(client, &fault);
}

static void arrive_at_worker(struct letter *letter, void *owner)
{
    struct order *order = (struct order *)letter;
    struct worker *worker = owner;
    struct client *client;

    if (worker->stopping)
        return; /* orders_free has it */
    if (order->phase == ORDER_LOOKS && order->verb->hits)
        look(order, worker);
    if (order->phase != ORDER_LOOKS && order->verb->act != NULL)
        order->verb->act(order, worker);
    if (order->phase != ORDER_LOOKS && worker == order->home) {
        client = find_client(worker, order->client_id);
        order->abandoned = client == NULL || client->console == NULL;
        if (!order->abandoned)
            tell(order, client);
    }
    go_on(order);
}

static void arrive_home(struct letter *letter, void *owner)
{
    struct order *order = (struct order *)letter;
    struct worker *worker = owner;
    struct client *client = find_client(worker, order->client_id);

    if (client != NULL && client->console != NULL) {
        client->console->touring = false;
        if (order->done) {
            tell(order, client);
            tour_done(client, order->verb->name);
        } else {
            tour_fail(client, &order->fault);
        }
        stream_resume(&client->stream);
    }
    free(order);
}

static void finish(struct order *order, bool done)
{
    struct gateway *gateway = order->gateway;
    const struct verb *verb = order->verb;
    bool force = order->words.force;

    order->done = done;
    list_remove(&order->link); /* from here on it is the home worker's */
    order->letter.deliver = arrive_home;
    mailbox_send(&order->home->mailbox, &order->letter);
    if (done && verb->after != NULL)
        verb->after(gateway, force);
}

static void start_round(struct order *order, enum order_phase phase)
{
    order->phase = phase;
    order->next = 0;
    order->left = 0;
    go_on(order);
}

static void on_again(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    start_round(timer->data, ORDER_WAITS);
}

static void begin(struct order *order)
{
    const struct verb *verb = order->verb;

    if (order->directs > 0 && verb->hits == HITS_NEED_FORCE && !order->words.force) {
        fault_set(&order->fault, "55006", "%s would end %zu direct session%s: %s", verb->name, order->directs,
                  order->directs == 1 ? "" : "s", order->hits);
        fault_hint(&order->fault, "%s", verb->hit_hint);
        finish(order, false);
        return;
    }
    if (verb->begin != NULL && !verb->begin(order, &order->fault)) {
        finish(order, false);
        return;
    }
    start_round(order, ORDER_ACTS);
}

static void arrive_at_main(struct letter *letter, void *owner)
{
    struct order *order = (struct order *)letter;

    (void)owner;
    if (order->phase == ORDER_LOOKS) {
        begin(order);
    } else if (order->abandoned || !order->verb->waits || order->left == 0) {
        finish(order, order->verb->end == NULL || order->verb->end(order, &order->fault));
    } else {
        ev_timer_set(&order->again, AGAIN_SECONDS, 0.);
        ev_timer_start(order->gateway->loop, &order->again);
    }
}

static void go_on(struct order *order)
{
    struct gateway *gateway = order->gateway;
    bool more = order->next < gateway->worker_count;

    order->letter.deliver = more ? arrive_at_worker : arrive_at_main;
    mailbox_send(more ? &gateway->workers[order->next++].mailbox : &gateway->mailbox, &order->letter);
}

/* Enters the list at main, whose it is. */
static void set_out(struct letter *letter, void *owner)
{
    struct order *order = (struct order *)letter;
    struct gateway *gateway = owner;

    list_append(&gateway->orders, &order->link);
    start_round(order, ORDER_LOOKS);
}

void order_give(struct client *client, const struct verb *verb, const struct order_words *words)
{
    struct order *order = calloc(1, sizeof *order);
    struct fault fault;

    if (order == NULL) {
        fault_set(&fault, "53200", "out of memory");
        tour_fail(client, &fault);
        return;
    }
    order->gateway = client->worker->gateway;
    order->home = client->worker;
    order->client_id = client->id;
    order->verb = verb;
    order->words = *words;
    list_init(&order->link);
    ev_timer_init(&order->again, on_again, 0., 0.);
    order->again.data = order;
    client->console->touring = true;
    order->letter.deliver = set_out;
    mailbox_send(&order->gateway->mailbox, &order->letter);
}

void orders_free(struct gateway *gateway)
{
    while (!list_empty(&gateway->orders)) {
        struct order *order = list_entry(gateway->orders.next, struct order, link);

        list_remove(&order->link);
        ev_timer_stop(gateway->loop, &order->again);
        free(order);
    }
}
