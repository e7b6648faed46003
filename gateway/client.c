/* SPDX-License-Identifier: PostgreSQL
 * client - one session from accept to close: its state, its end, its memory. */
#include "gateway/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/admin/console.h"
#include "gateway/admission.h"
#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/fault.h"
#include "gateway/base/log.h"
#include "gateway/base/random.h"
#include "gateway/client_moves.h"
#include "gateway/direct.h"
#include "gateway/gateway.h"
#include "gateway/login.h"
#include "gateway/notify/notify.h"
#include "gateway/policy.h"
#include "gateway/relay.h"
#include "gateway/relay_state.h"
#include "gateway/reply.h"
#include "gateway/takeover/passage.h"
#include "gateway/worker.h"

enum { ENDING_LIMIT_US = 10000000 };

static bool is_login(enum client_state state)
{
    return state == CLIENT_STARTUP || state == CLIENT_AUTHENTICATING || state == CLIENT_WELCOMING;
}

static bool may_enter(enum client_state from, enum client_state to)
{
    switch (to) {
    case CLIENT_STARTUP:
        return from == CLIENT_CLOSED;
    case CLIENT_AUTHENTICATING:
        return from == CLIENT_STARTUP;
    case CLIENT_WELCOMING:
        return from == CLIENT_STARTUP || from == CLIENT_AUTHENTICATING;
    case CLIENT_IDLE:
        return is_login(from) || from == CLIENT_WAITING || from == CLIENT_ACTIVE || from == CLIENT_LEAVING ||
               from == CLIENT_ARRIVING;
    case CLIENT_ARRIVING:
        return from == CLIENT_CLOSED;
    case CLIENT_LEAVING:
    case CLIENT_WAITING:
        return from == CLIENT_IDLE;
    case CLIENT_ACTIVE:
        return from == CLIENT_IDLE || from == CLIENT_WAITING || from == CLIENT_WELCOMING;
    case CLIENT_DIRECT:
        return from == CLIENT_STARTUP || from == CLIENT_AUTHENTICATING;
    case CLIENT_CONSOLE:
        return from == CLIENT_STARTUP || from == CLIENT_AUTHENTICATING;
    case CLIENT_ENDING:
        return from != CLIENT_CLOSED && from != CLIENT_ENDING;
    case CLIENT_CLOSED:
        return true;
    case CLIENT_STATES:
        break;
    }
    return false;
}

static _Atomic int *login_count(const struct client *client)
{
    struct gateway *gateway = client->worker->gateway;

    return client->counted_refused ? &gateway->refusals : &gateway->logins;
}

void client_count_refused(struct client *client)
{
    CHECK(is_login(client->state) && !client->counted_refused);
    atomic_fetch_sub(login_count(client), 1);
    client->counted_refused = true;
    atomic_fetch_add(login_count(client), 1);
}

void client_enter(struct client *client, enum client_state state)
{
    bool was_login = is_login(client->state), now_login = is_login(state);

    CHECK(may_enter(client->state, state));
    client->state = state;
    if (now_login && !was_login) {
        atomic_fetch_add(login_count(client), 1);
        list_append(&client->worker->logins, &client->timed);
    } else if (was_login && !now_login) {
        atomic_fetch_sub(login_count(client), 1);
        list_remove(&client->timed);
    }
}

struct client *client_new(struct worker *worker, const struct address *peer, struct generation *generation,
                          const struct listener_options *listener)
{
    struct client *client = calloc(1, sizeof *client);

    if (client == NULL)
        return NULL;
    client->worker = worker;
    client->generation = generation_retain(generation);
    client->listener = listener;
    client->peer = *peer;
    client->id = atomic_fetch_add(&worker->gateway->next_client_id, 1) + 1;
    client->connected_us = client->since_us = clock_now_us();
    client->state = CLIENT_CLOSED;
    list_init(&client->timed);
    list_append(&worker->clients, &client->link);
    atomic_fetch_add(&worker->gateway->clients, 1);
    atomic_fetch_add(&worker->load, 1);
    return client;
}

void client_open(struct worker *worker, int fd, const struct address *peer, struct generation *generation,
                 const struct listener_options *listener)
{
    struct client *client = client_new(worker, peer, generation, listener);

    if (client == NULL) {
        close(fd);
        return;
    }
    client_enter(client, CLIENT_STARTUP);
    stream_open(&client->stream, &worker->engine, fd, &login_stream_events);
    login_begin(client);
}

void client_make_key(struct client *client, uint32_t pid, size_t bytes)
{
    struct cancel_key *key = &client->key;

    do {
        random_fill(client->secret, bytes);
        key->pid = pid;
        if (pid == 0)
            random_fill(&key->pid, sizeof key->pid);
        key->pid &= 0x7fffffff; /* pg_basebackup takes a pid with the sign bit for an error */
        key->secret = client->secret;
        key->secret_bytes = (uint32_t)bytes;
        key->worker = client->worker->thread.index;
        key->client_id = client->id;
    } while (key->pid == 0 || !cancel_keys_add(&client->worker->gateway->cancel_keys, key));
}

/* Lets go of everything but the socket. */
static void let_go(struct client *client)
{
    if (client->marked)
        pool_forget(client->shard, client->id);
    client->marked = false;
    cancel_keys_remove(&client->worker->gateway->cancel_keys, &client->key);
    if (client->state == CLIENT_WAITING)
        pool_leave(client->shard, &client->waiter);
    if (client->passage != NULL)
        passage_abandon(client);
    if (client->login != NULL)
        login_abandon(client);
    if (client->direct != NULL)
        direct_end(client);
    if (client->console != NULL)
        console_end(client);
    policy_unpinned(client);
    if (client->server != NULL)
        relay_let_go(client);
    notify_let_go(client);
}

static void count_end(struct client *client, enum reason reason)
{
    struct counters *counters = &client->worker->gateway->counters;

    if (is_login(client->state) && reason != REASON_CANCEL_DONE)
        atomic_fetch_add(&counters->logins_failed, 1);
    if (reason == REASON_PROTOCOL || reason == REASON_MESSAGE_TYPE || reason == REASON_MESSAGE_LENGTH ||
        reason == REASON_SERVER_PROTOCOL)
        atomic_fetch_add(&counters->protocol_errors, 1);
}

static void log_end(const struct client *client, enum reason reason, const char *detail)
{
    char peer[ADDRESS_TEXT_BYTES];
    enum log_level level = *reason_severity(reason) == '\0' ? LOG_DEBUG : LOG_INFO;

    if (!log_enabled(level))
        return;
    address_print(&client->peer, peer, sizeof peer);
    log_write(level, client->worker->thread.who,
              "client=%llu closed reason=%s peer=%s user=%s database=%s%s%s", (unsigned long long)client->id,
              reason_name(reason), peer, client->identity.user == NULL ? "" : client->identity.user,
              client->identity.database == NULL ? "" : client->identity.database,
              detail == NULL ? "" : " detail=", detail == NULL ? "" : detail);
}

static size_t ending_received(struct stream *stream, const unsigned char *bytes, size_t length)
{
    (void)stream;
    (void)bytes;
    return length; /* nothing that it still says matters; reading it keeps the kernel from sending a reset */
}

static void close_now(struct client *client)
{
    client_enter(client, CLIENT_CLOSED);
    list_remove(&client->timed);
    stream_close(&client->stream);
}

static void ending_drained(struct stream *stream)
{
    struct client *client = list_entry(stream, struct client, stream);

    shutdown(stream->fd, SHUT_WR);
    close_now(client);
}

static void ending_ended(struct stream *stream, int error)
{
    (void)error;
    close_now(list_entry(stream, struct client, stream));
}

static const struct stream_events ending_events = {.received = ending_received,
                                                   .drained = ending_drained,
                                                   .ended = ending_ended,
                                                   .released = client_released};

/* Reads away what the peer sent already: closing with unread bytes would reset the connection and could
 * destroy the last message on its way. */
static void read_away(int fd)
{
    char bytes[4096];

    for (int i = 0; i < 64 && recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0; i++)
        continue;
}

static void finish(struct client *client)
{
    struct stream *stream = &client->stream;

    if (stream->fd < 0)
        return;
    stream_flush(stream);
    if (stream_backlog(stream) == 0) {
        read_away(stream->fd);
        close_now(client);
        return;
    }
    client_enter(client, CLIENT_ENDING);
    client->since_us = client->worker->thread.now_us;
    list_append(&client->worker->ending, &client->timed);
    stream->events = &ending_events;
    stream_resume(stream);
}

static bool is_over(const struct client *client)
{
    return client->state == CLIENT_CLOSED || client->state == CLIENT_ENDING;
}

void client_close(struct client *client, enum reason reason, const char *detail)
{
    struct fault fault;

    if (is_over(client))
        return;
    log_end(client, reason, detail);
    count_end(client, reason);
    if (*reason_severity(reason) != '\0') {
        fault_set(&fault, reason_sqlstate(reason), "%s%s%s", reason_sentence(reason),
                  detail == NULL ? "" : ": ", detail == NULL ? "" : detail);
        reply_error(client, reason_severity(reason), &fault);
    }
    let_go(client);
    finish(client);
}

void client_depart(struct client *client)
{
    log_end(client, REASON_MOVED, NULL);
    let_go(client);
    close_now(client);
}

void client_end(struct client *client, enum reason reason, const struct fault *fault)
{
    if (is_over(client))
        return;
    log_end(client, reason, fault->message);
    count_end(client, reason);
    reply_error(client, "FATAL", fault);
    let_go(client);
    finish(client);
}

void client_refuse(struct client *client, const struct fault *fault)
{
    client_end(client, REASON_REFUSED, fault);
}

void client_expire(struct client *client, enum reason reason, uint64_t limit_us, const char *hint)
{
    struct fault fault;

    fault_set(&fault, reason_sqlstate(reason), "%s: %s for longer than %llu ms", reason_name(reason),
              reason_sentence(reason), (unsigned long long)(limit_us / 1000));
    fault_hint(&fault, "%s", hint);
    client_end(client, reason, &fault);
}

void client_refuse_with(struct client *client, const void *message, size_t bytes)
{
    if (is_over(client))
        return;
    log_end(client, REASON_SERVER_SAID_FATAL, NULL);
    count_end(client, REASON_SERVER_SAID_FATAL);
    stream_send(&client->stream, message, bytes);
    let_go(client);
    finish(client);
}

void client_cut(struct client *client)
{
    if (client->state == CLIENT_ENDING)
        close_now(client);
}

void client_released(struct stream *stream)
{
    struct client *client = list_entry(stream, struct client, stream);
    struct worker *worker = client->worker;

    CHECK(client->state == CLIENT_CLOSED && client->server == NULL && client->login == NULL);
    list_remove(&client->link);
    atomic_fetch_sub(&worker->gateway->clients, 1);
    atomic_fetch_sub(&worker->load, 1);
    admission_leaves(client);
    names_free(&client->names);
    unnamed_free(&client->unnamed);
    state_free(client);
    if (client->pool != NULL) {
        if (client->counted_in_pool)
            atomic_fetch_sub(&client->pool->clients, 1);
        pool_release(client->pool);
    }
    free(client->identity.user);
    generation_release(client->generation);
    explicit_bzero(client->secret, sizeof client->secret);
    free(client);
}

void client_sweep(struct worker *worker, uint64_t now_us)
{
    uint64_t login_limit_us = worker->generation->snapshot->client_login_timeout_us;

    list_each(link, following, &worker->logins) {
        struct client *client = list_entry(link, struct client, timed);

        if (login_limit_us == 0 || now_us < client->connected_us + login_limit_us)
            break;
        if (client->state != CLIENT_WELCOMING) /* that one waits for PostgreSQL, not for the client */
            client_expire(client, REASON_LOGIN_TIMEOUT, login_limit_us,
                          "Is the network slow, or the client?");
    }
    while (!list_empty(&worker->ending)) {
        struct client *client = list_entry(worker->ending.next, struct client, timed);

        if (now_us < client->since_us + ENDING_LIMIT_US)
            break;
        close_now(client);
    }
}

void client_stop_all(struct worker *worker, bool now)
{
    list_each(link, following, &worker->clients) {
        struct client *client = list_entry(link, struct client, link);
        bool direct = client->state == CLIENT_DIRECT && !direct_is_waiting(client);
        bool busy = direct || client->state == CLIENT_WAITING || relay_busy(client);

        if (!busy || now)
            client_close(client, REASON_SHUTDOWN, NULL);
    }
}
