/* SPDX-License-Identifier: PostgreSQL
 * hub_link - a hub's connection to PostgreSQL: logging in as one of the pools that need it, reading, coming
 * back after a loss. It is no pool's server: it is in nobody's count and never given away. */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/fault.h"
#include "gateway/base/log.h"
#include "gateway/gateway.h"
#include "gateway/notify/hub.h"
#include "gateway/notify/hubs.h"
#include "gateway/wire/fields.h"
#include "gateway/wire/frame.h"
#include "gateway/worker.h"
#include "router/connect.h"
#include "router/pool_budget.h"

enum {
    MESSAGE_MAX_BYTES = 65536,
    REFUSED_RETRY_US = 10000000 /* PostgreSQL let nobody in; somebody listens all the same */
};

static const char application_name[] = "pgsluice listener";

/* What roles and databases set for ordinary sessions must not end this one; settings that a version does
 * not know are not in its list. */
static const char quiet[] =
    "SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name IN"
    " ('idle_session_timeout', 'statement_timeout', 'lock_timeout', 'transaction_timeout')";

bool hub_say(struct hub *hub, const char *sql, size_t length, struct list *errands)
{
    struct command *command = calloc(1, sizeof *command);
    uint32_t size = (uint32_t)length + 5;
    const unsigned char header[] = {'Q', (unsigned char)(size >> 24), (unsigned char)(size >> 16),
                                    (unsigned char)(size >> 8), (unsigned char)size};

    if (command == NULL)
        return false;
    list_init(&command->errands);
    while (errands != NULL && !list_empty(errands)) {
        struct list *link = errands->next;

        list_remove(link);
        list_append(&command->errands, link);
    }
    list_append(&hub->commands, &command->link);
    stream_send(&hub->server->stream, header, sizeof header);
    stream_send(&hub->server->stream, sql, length);
    stream_send(&hub->server->stream, "", 1);
    return true;
}

/* The server's memory goes at the end of the turn. */
static void drop_server(struct hub *hub, const char *why)
{
    struct server *server = hub->server;

    hub->server = NULL;
    if (server != NULL)
        server_close(server, why);
}

static void rest(struct hub *hub, uint64_t wait_us)
{
    hub->state = HUB_RESTING;
    ev_timer_stop(hub->owner->loop, &hub->retry);
    ev_timer_set(&hub->retry, (double)wait_us / 1e6, 0.);
    ev_timer_start(hub->owner->loop, &hub->retry);
}

void hub_disconnect(struct hub *hub)
{
    struct pool *pool = hub->pool;

    ev_timer_stop(hub->owner->loop, &hub->retry);
    hub->state = HUB_IDLE;
    hub->complained = false;
    hub->pool = NULL;
    drop_server(hub, "nobody listens any more");
    hub_lost(hub);
    pool_release(pool);
    hub_release(hub);
}

static void lost(struct hub *hub, const char *what)
{
    log_warn(
        "notify",
        "database=%s lost the connection that listens for %zu channels: %s; notifications sent until it is "
        "back do not arrive",
        hub->database, hub->channels.count, what);
    hub->complained = true;
    hub->lost_us = clock_now_us();
    drop_server(hub, what);
    hub_lost(hub);
    rest(hub, 0);
}

/* One message; false when it makes no sense. */
static bool on_message(struct hub *hub, const unsigned char *message, const struct frame *frame,
                       size_t arrival)
{
    struct command *command = NULL;
    struct error_fields fields;

    if (!list_empty(&hub->commands))
        command = list_entry(hub->commands.next, struct command, link);
    switch (frame->type) {
    case 'A':
        return hub_notification(hub, message, frame->size, arrival);
    case 'E':
        fields_error(message + FRAME_HEADER_BYTES, frame->size - FRAME_HEADER_BYTES, &fields);
        if (command != NULL)
            command->failed = true;
        log_debug("notify", "database=%s the listening connection was told %s: %s", hub->database,
                  fields.sqlstate, fields.message);
        return true;
    case 'Z':
        if (command == NULL || frame->size != FRAME_HEADER_BYTES + 1 || message[FRAME_HEADER_BYTES] != 'I')
            return false;
        hub_command_done(hub);
        return true;
    default:
        return strchr("CINSTD", frame->type) != NULL && frame->type != '\0';
    }
}

static size_t hub_received(struct stream *stream, const unsigned char *bytes, size_t length)
{
    struct server *server = list_entry(stream, struct server, stream);
    struct hub *hub = server->client;
    struct frame frame;
    size_t used = 0;

    hub_retain(hub);
    while (hub->server == server) {
        enum frame_result result = frame_peek(bytes + used, length - used, &frame);

        if (result == FRAME_SHORT || (result == FRAME_OK && frame.size <= MESSAGE_MAX_BYTES &&
                                      frame.size > length - used))
            break;
        if (result == FRAME_BAD || frame.size > MESSAGE_MAX_BYTES ||
            !on_message(hub, bytes + used, &frame, length)) {
            lost(hub, "it sent a message that makes no sense here");
            break;
        }
        used += frame.size;
    }
    hub_parcels_send(hub);
    used = hub->server == server ? used : length;
    hub_release(hub);
    return used;
}

static void hub_drained(struct stream *stream)
{
    (void)stream;
}

static void hub_ended(struct stream *stream, int error)
{
    struct server *server = list_entry(stream, struct server, stream);
    struct hub *hub = server->client;

    if (hub->server == server)
        lost(hub, error == 0 ? "PostgreSQL closed it" : strerror(error));
}

static void hub_released(struct stream *stream)
{
    struct server *server = list_entry(stream, struct server, stream);

    server_watch_parked(server);
    server->stream.events->released(stream);
}

static const struct stream_events hub_events = {
    .received = hub_received, .drained = hub_drained, .ended = hub_ended, .released = hub_released};

static void login_ready(struct server *server, void *owner, const struct login_parameters *parameters)
{
    struct hub *hub = owner;

    (void)parameters;
    hub->server = server;
    hub->state = HUB_READY;
    server->client = hub;
    server->stream.events = &hub_events;
    server_enter(server, SERVER_LISTENING);
    stream_resume(&server->stream);
    if (hub->complained) {
        atomic_fetch_add(&hub->owner->gateway->counters.listeners_reconnected, 1);
        log_info("notify", "database=%s listens again for %zu channels after %llu ms", hub->database,
                 hub->channels.count, (unsigned long long)((clock_now_us() - hub->lost_us) / 1000));
    }
    hub->complained = false;
    (void)hub_say(hub, quiet, sizeof quiet - 1, NULL);
    hub_ready(hub);
}

/* The pool's other servers know, too, that there is no password here. */
static void note_no_password(struct pool *pool)
{
    if (atomic_load(&pool->open) > 0)
        atomic_store(&pool->own_login_at_us, clock_now_us() + REFUSED_RETRY_US);
}

static void login_failed(const struct login_failure *failure, void *owner)
{
    bool refused = !pool_is_passing(failure->fault->sqlstate);
    struct hub *hub = owner;

    hub->server = NULL;
    if (!hub->complained && hub->channels.count > 0 && failure->message != NULL) {
        log_warn("notify", "database=%s user=%s could not open the connection that listens: %s: %s",
                 hub->database,
                 failure->shard->pool->user, failure->fault->sqlstate, failure->fault->message);
        hub->complained = true;
        hub->lost_us = clock_now_us();
    }
    if (refused && failure->message == NULL)
        note_no_password(hub->pool);
    rest(hub, refused ? REFUSED_RETRY_US : pool_options(hub->pool)->server_login_retry_us);
    hub_failed(hub, refused);
}

static const struct login_events login_events = {.ready = login_ready, .failed = login_failed};

static void on_retry(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    hub_connect(timer->data);
}

static struct profile *hub_profile(const struct hub *hub)
{
    struct startup_parameter encoding = {"client_encoding", hub->encoding};
    const struct startup startup = {.parameters = &encoding, .parameter_count = *hub->encoding != '\0'};
    const struct pairs settings = {0};

    return profiles_intern(&hub->pool->profiles, &startup, &settings);
}

void hub_connect(struct hub *hub)
{
    struct profile *profile = hub_profile(hub);
    struct pool_shard *shard = pool_shard(hub->pool, &hub->owner->thread);
    bool no_password = clock_now_us() < atomic_load(&hub->pool->own_login_at_us);

    ev_timer_stop(hub->owner->loop, &hub->retry);
    ev_timer_init(&hub->retry, on_retry, 0., 0.);
    hub->retry.data = hub;
    if (profile == NULL || no_password) {
        rest(hub, REFUSED_RETRY_US);
        hub_failed(hub, true);
        return;
    }
    hub->state = HUB_CONNECTING;
    hub_retain(hub);
    pool_budget_take_anyway(shard, SHARE_ADMIN);
    (void)connect_start(shard, profile, application_name, false, &login_events, hub);
    hub_release(hub);
}
