/* SPDX-License-Identifier: PostgreSQL
 * auth_relay - the driver `relay`: a server connection logs in with the client's answers, and belongs to
 * the pool afterwards. The gateway never knows a secret. */
#include <stdlib.h>
#include <string.h>

#include "gateway/authenticate.h"
#include "gateway/base/fault.h"
#include "gateway/client.h"
#include "gateway/gateway.h"
#include "gateway/login.h"
#include "gateway/relayed.h"
#include "gateway/welcome.h"
#include "gateway/wire/frame.h"
#include "gateway/wire/write.h"
#include "gateway/worker.h"
#include "router/connect.h"
#include "router/pool_budget.h"

static void relay_queue(struct client *client);

static void relay_ready(struct server *server, void *owner, const struct login_parameters *parameters)
{
    struct client *client = owner;

    client->login->relaying = NULL;
    profile_set_welcome(&client->pool->profiles, server->profile, parameters->bytes, parameters->length,
                        server->epoch);
    pool_forget_failure(client->pool);
    server_watch_parked(server);
    welcome_begin(client, server);
}

/* Its password was used up on a connection that PostgreSQL then had no room for. */
static void refuse_for_room(struct client *client)
{
    struct fault fault;

    fault_set(&fault, "57P03", "PostgreSQL gave its last free connection to another program meanwhile");
    fault_hint(&fault, "Connect again: the login will wait until there is room.");
    client_refuse(client, &fault);
}

/* A passing trouble before PostgreSQL asked anything puts the login back into the queue. */
static void relay_failed(const struct login_failure *failure, void *owner)
{
    struct client *client = owner;
    struct pool *pool = failure->shard->pool;
    bool asked = client->login->asked;

    client->login->relaying = NULL;
    if (!asked && pool_is_passing(failure->fault->sqlstate) && client->verdict.class != CLASS_ADMIN) {
        pool_note_failure(pool, failure->fault);
        relay_queue(client);
        return;
    }
    if (budget_is_refusal(failure->fault->sqlstate))
        refuse_for_room(client);
    else if (failure->message != NULL)
        client_refuse_with(client, failure->message, failure->bytes);
    else
        client_refuse(client, failure->fault);
}

static void relay_message(struct server *server, void *owner, const void *message, size_t bytes)
{
    struct client *client = owner;
    uint32_t code = frame_u32((const char *)message + FRAME_HEADER_BYTES);

    client->login->asked = true;
    client->login->answer_expected = code != ASK_SASL_FINAL;
    client->login->offered_plus = relayed_request(client, &server->stream, message, bytes);
}

static const struct login_events relay_events = {
    .ready = relay_ready, .failed = relay_failed, .relay = relay_message};
/* For clients that use TLS: without TLS on the other leg they can log in with SCRAM. */
static const struct login_events relay_events_plain = {
    .ready = relay_ready, .failed = relay_failed, .relay = relay_message, .plain_leg = true};

static void relay_connect(struct client *client, bool counted)
{
    struct login *login = client->login;
    const struct login_events *events = client->stream.tls == NULL ? &relay_events : &relay_events_plain;
    const char *name = client->verdict.mode == MODE_SESSION ? client->identity.startup_name : "";
    struct server *server = connect_start(client->shard, client->profile, name, counted, events, client);

    if (server != NULL && client->login == login)
        login->relaying = server;
}

static void relay_granted(struct waiter *waiter, struct server *server)
{
    struct client *client = list_entry(waiter, struct client, waiter);

    (void)server;
    client->login->queued = false;
    relay_connect(client, true);
}

static void relay_refused(struct waiter *waiter, const struct fault *fault, const void *message, size_t bytes)
{
    struct client *client = list_entry(waiter, struct client, waiter);

    (void)message;
    (void)bytes;
    client->login->queued = false;
    client_refuse(client, fault);
}

static void relay_queue(struct client *client)
{
    client->waiter = (struct waiter){
        .want = WANT_SLOT, .profile = client->profile, .granted = relay_granted, .failed = relay_refused};
    list_init(&client->waiter.link);
    client->login->queued = true;
    (void)pool_take(client->shard, &client->waiter);
}

static void relay_start(struct client *client)
{
    if (client->verdict.class != CLASS_ADMIN) {
        relay_queue(client);
        return;
    }
    pool_budget_take_anyway(client->shard, SHARE_ADMIN);
    relay_connect(client, false);
}

static void relay_answer(struct client *client, const unsigned char *body, size_t size)
{
    const unsigned char *message = body - FRAME_HEADER_BYTES;
    struct login *login = client->login;
    bool bound = login->offered_plus;

    login->offered_plus = false;
    if (login->relaying == NULL)
        auth_no_answer(client, body, size);
    else if (!bound || relayed_answer(client, message, size + FRAME_HEADER_BYTES))
        stream_send(&login->relaying->stream, message, size + FRAME_HEADER_BYTES);
}

static void relay_end(struct client *client)
{
    struct server *server = client->login->relaying;

    client->login->relaying = NULL;
    if (server != NULL)
        connect_abandon(server);
}

const struct auth_driver auth_relay = {.start = relay_start, .answer = relay_answer, .end = relay_end};
