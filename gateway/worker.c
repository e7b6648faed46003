/* SPDX-License-Identifier: PostgreSQL
 * worker - a thread with one event loop and everything that it owns. Letters are the only way in. */
#include "gateway/worker.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/fault.h"
#include "gateway/base/log.h"
#include "gateway/catalog_read.h"
#include "gateway/client.h"
#include "gateway/deadlines.h"
#include "gateway/direct.h"
#include "gateway/direct_flow.h"
#include "gateway/gateway.h"
#include "gateway/memory.h"
#include "gateway/relay.h"
#include "gateway/requester.h"
#include "gateway/takeover/leave.h"
#include "gateway/throttles.h"
#include "router/pool_budget.h"

#define SWEEP_SECONDS 0.1
#define THROTTLE_TICK_SECONDS 0.005

/* Letters that main or another worker writes; each is freed by its delivery. */
struct client_letter {
    struct letter letter;
    int fd;
    struct address peer;
    struct generation *generation;
    size_t listener;
};

struct generation_letter {
    struct letter letter;
    struct generation *generation;
};

struct stop_letter {
    struct letter letter;
    bool now;
};

struct cancel_letter {
    struct letter letter;
    uint64_t client_id;
    struct requester *requester;
};

static void turn_start(struct ev_loop *loop, ev_check *check, int events)
{
    struct worker *worker = check->data;

    (void)loop;
    (void)events;
    worker->thread.now_us = clock_now_us();
    atomic_fetch_add_explicit(&worker->heartbeat, 1, memory_order_relaxed);
}

/* A stopping worker ends its loop when the last client is gone. */
static void stop_if_done(struct worker *worker)
{
    if (!worker->stopping)
        return;
    client_stop_all(worker, worker->told_to_stop);
    if (list_empty(&worker->clients))
        ev_break(worker->loop, EVBREAK_ALL);
}

static void sweep(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct worker *worker = timer->data;
    uint64_t now_us = clock_now_us();

    (void)loop;
    (void)events;
    worker->thread.now_us = now_us;
    client_sweep(worker, now_us);
    deadlines_sweep(worker, now_us);
    memory_sweep(worker);
    throttles_sweep(worker, now_us);
    pool_sweep(&worker->thread, now_us);
    relay_sweep(&worker->thread, now_us);
    direct_sweep(worker, now_us);
    atomic_fetch_add_explicit(&worker->gateway->counters.cancels_timed_out,
                              (uint64_t)cancel_sweep(&worker->cancels, now_us), memory_order_relaxed);
    catalog_sweep(worker, now_us);
    leave_sweep(worker, now_us);
    stop_if_done(worker);
}

static void throttle_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    flows_go_on(timer->data);
}

bool worker_open(struct worker *worker, struct gateway *gateway, int index, struct fault *fault)
{
    memset(worker, 0, sizeof *worker);
    worker->gateway = gateway;
    worker->loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
    if (worker->loop == NULL || !stream_engine_open(&worker->engine, worker->loop))
        return fault_set(fault, "53200", "could not create the event loop of worker %d", index);
    worker->generation = generation_retain(gateway->generation);
    worker->thread.index = index;
    worker->thread.engine = &worker->engine;
    worker->thread.mailbox = &worker->mailbox;
    worker->thread.now_us = clock_now_us();
    snprintf(worker->thread.who, sizeof worker->thread.who, "worker%d", index);
    list_init(&worker->thread.shards);
    list_init(&worker->thread.lingering);
    list_init(&worker->clients);
    list_init(&worker->logins);
    list_init(&worker->ending);
    list_init(&worker->admissions);
    list_init(&worker->retries);
    list_init(&worker->openings);
    list_init(&worker->questions);
    list_init(&worker->cancels);
    list_init(&worker->passages.leaving);
    list_init(&worker->passages.arriving);
    list_init(&worker->held_flows);
    ev_timer_init(&worker->throttle_tick, throttle_tick, 0., THROTTLE_TICK_SECONDS);
    worker->throttle_tick.data = worker;
    mailbox_open(&worker->mailbox, worker->loop, worker);
    ev_timer_init(&worker->sweep, sweep, SWEEP_SECONDS, SWEEP_SECONDS);
    worker->sweep.data = worker;
    ev_timer_start(worker->loop, &worker->sweep);
    ev_check_init(&worker->turn_start, turn_start);
    worker->turn_start.data = worker;
    ev_check_start(worker->loop, &worker->turn_start);
    return true;
}

/* The pools of this thread are emptied and given up; deliveries of cancel requests are dropped. */
static void close_down(struct worker *worker)
{
    catalog_reads_close(worker);
    pool_close_thread(&worker->thread);
    (void)cancel_sweep(&worker->cancels, UINT64_MAX);
    mailbox_close(&worker->mailbox);
    pool_close_thread(&worker->thread);
    ev_timer_stop(worker->loop, &worker->sweep);
    ev_timer_stop(worker->loop, &worker->throttle_tick);
    ev_check_stop(worker->loop, &worker->turn_start);
    stream_engine_close(&worker->engine);
    generation_release(worker->generation);
    free(worker->leaks);
    ev_loop_destroy(worker->loop);
}

static void *worker_main(void *argument)
{
    struct worker *worker = argument;

    ev_run(worker->loop, 0);
    worker->ended.deliver = worker->gateway->worker_ended;
    mailbox_send(&worker->gateway->mailbox, &worker->ended);
    return NULL;
}

bool worker_start(struct worker *worker, struct fault *fault)
{
    sigset_t all, before;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are main's */
    error = pthread_create(&worker->pthread, NULL, worker_main, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0)
        return fault_set(fault, "53000", "could not start a worker thread: %s", strerror(error));
    return true;
}

void worker_join(struct worker *worker)
{
    pthread_join(worker->pthread, NULL);
}

void worker_close(struct worker *worker)
{
    close_down(worker);
}

static void deliver_client(struct letter *letter, void *owner)
{
    struct client_letter *sent = (struct client_letter *)letter;
    struct worker *worker = owner;

    if (worker->stopping)
        close(sent->fd);
    else
        client_open(worker, sent->fd, &sent->peer, sent->generation,
                    &sent->generation->snapshot->listeners[sent->listener]);
    generation_release(sent->generation);
    free(sent);
}

void worker_send_client(struct worker *worker, int fd, const struct address *peer,
                        struct generation *generation, size_t listener)
{
    struct client_letter *letter = malloc(sizeof *letter);

    if (letter == NULL) {
        close(fd);
        return;
    }
    letter->letter.deliver = deliver_client;
    letter->fd = fd;
    letter->peer = *peer;
    letter->generation = generation_retain(generation);
    letter->listener = listener;
    mailbox_send(&worker->mailbox, &letter->letter);
}

static void deliver_generation(struct letter *letter, void *owner)
{
    struct generation_letter *sent = (struct generation_letter *)letter;
    struct worker *worker = owner;

    generation_release(worker->generation);
    worker->generation = sent->generation;
    free(sent);
}

void worker_send_generation(struct worker *worker, struct generation *generation)
{
    struct generation_letter *letter = malloc(sizeof *letter);

    if (letter == NULL)
        return;
    letter->letter.deliver = deliver_generation;
    letter->generation = generation_retain(generation);
    mailbox_send(&worker->mailbox, &letter->letter);
}

static void deliver_stop(struct letter *letter, void *owner)
{
    struct stop_letter *sent = (struct stop_letter *)letter;
    struct worker *worker = owner;

    worker->stopping = true;
    worker->told_to_stop = worker->told_to_stop || sent->now;
    free(sent);
    stop_if_done(worker);
}

void worker_send_stop(struct worker *worker, bool now)
{
    struct stop_letter *letter = malloc(sizeof *letter);

    if (letter == NULL)
        return;
    letter->letter.deliver = deliver_stop;
    letter->now = now;
    mailbox_send(&worker->mailbox, &letter->letter);
}

static void deliver_cancel(struct letter *letter, void *owner)
{
    struct cancel_letter *sent = (struct cancel_letter *)letter;
    struct worker *worker = owner;
    struct client *found = NULL;

    list_each(link, following, &worker->clients) {
        found = list_entry(link, struct client, link);
        if (found->id == sent->client_id)
            break;
        found = NULL;
    }
    if (found == NULL)
        requester_done(sent->requester);
    else if (!relay_cancel(found, requester_done, sent->requester))
        atomic_fetch_add(&worker->gateway->counters.cancels_ignored, 1);
    free(sent);
}

static void deliver_room(struct letter *letter, void *owner)
{
    struct worker *worker = owner;

    (void)letter;
    atomic_store(&worker->room_pending, false);
    if (worker->stopping)
        return;
    pool_budget_serve(&worker->thread);
    direct_serve(worker);
}

void worker_send_room(struct worker *worker)
{
    if (atomic_exchange(&worker->room_pending, true))
        return;
    worker->room.deliver = deliver_room;
    mailbox_send(&worker->mailbox, &worker->room);
}

void worker_send_cancel(struct worker *worker, uint64_t client_id, struct requester *requester)
{
    struct cancel_letter *letter = malloc(sizeof *letter);

    if (letter == NULL) {
        requester_done(requester);
        return;
    }
    letter->letter.deliver = deliver_cancel;
    letter->client_id = client_id;
    letter->requester = requester;
    mailbox_send(&worker->mailbox, &letter->letter);
}
