/* SPDX-License-Identifier: PostgreSQL
 * authenticate - how a client proves who it is: the drivers `relay`, `trust` and `scram-sha-256`. */
#include "gateway/authenticate.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/auth/users.h"
#include "gateway/base/clock.h"
#include "gateway/base/fault.h"
#include "gateway/base/log.h"
#include "gateway/client.h"
#include "gateway/gateway.h"
#include "gateway/login.h"
#include "gateway/welcome.h"
#include "gateway/wire/fields.h"
#include "gateway/wire/frame.h"
#include "gateway/wire/write.h"
#include "gateway/worker.h"
#include "router/connect.h"

enum { AUTH_SASL = 10, AUTH_SASL_CONTINUE = 11, AUTH_SASL_FINAL = 12 };

static void no_answer(struct client *client, const unsigned char *body, size_t size)
{
    (void)body;
    (void)size;
    client_close(client, REASON_PROTOCOL, "no password was asked for");
}

static const struct user *find_user(struct client *client)
{
    const struct users *users = client->generation->users;

    return users == NULL ? NULL : users_find(users, client->identity.user);
}

/* What is known here about the user's secret is what its pool logs in to PostgreSQL with. */
static void share_credentials(struct client *client, const struct user *user)
{
    if (client->pool == NULL || user == NULL)
        return;
    if (user->password != NULL)
        pool_set_credentials(client->pool, user->password, NULL, NULL);
    else if (client->login->scram != NULL)
        pool_set_credentials(client->pool, NULL, client->login->scram->client_key,
                             client->login->scram->verifier.server_key);
}

static void trust_start(struct client *client)
{
    share_credentials(client, find_user(client));
    welcome_begin(client, NULL);
}

static void trust_end(struct client *client)
{
    (void)client;
}

static const struct auth_driver auth_trust = {.start = trust_start, .answer = no_answer, .end = trust_end};

static void send_sasl(struct client *client, uint32_t code, const void *body, size_t bytes)
{
    unsigned char message[SCRAM_MESSAGE_MAX_BYTES + 32];
    struct builder builder;

    builder_init(&builder, message, sizeof message);
    write_authentication(&builder, code, body, bytes);
    stream_send(&client->stream, builder.bytes, builder.used);
}

/* Unknown users go through the same exchange, against a verifier that no password matches. */
static void scram_start(struct client *client)
{
    static const char mechanisms[] = "SCRAM-SHA-256\0";
    const struct user *user = find_user(client);
    struct login *login = client->login;

    login->scram = calloc(1, sizeof *login->scram);
    if (login->scram == NULL) {
        client_close(client, REASON_MEMORY, NULL);
        return;
    }
    if (user == NULL || !user_verifier(user, &login->scram->verifier))
        scram_verifier_mock(client->identity.user, client->worker->gateway->mock_secret,
                            &login->scram->verifier);
    login->answer_expected = true;
    send_sasl(client, AUTH_SASL, mechanisms, sizeof mechanisms);
}

static void password_failed(struct client *client, const char *truth)
{
    struct fault fault;

    log_warn(client->worker->thread.who, "client=%llu login of user=%s failed: %s",
             (unsigned long long)client->id, client->identity.user, truth);
    fault_set(&fault, "28P01", "password authentication failed for user \"%s\"", client->identity.user);
    client_refuse(client, &fault);
}

static void scram_first(struct client *client, const unsigned char *body, size_t size)
{
    struct login *login = client->login;
    char room[SCRAM_MESSAGE_MAX_BYTES];
    struct builder reply;
    struct reader reader;
    struct fault fault;
    const char *mechanism;
    uint32_t length;

    reader_init(&reader, body, size);
    mechanism = reader_string(&reader);
    length = reader_u32(&reader);
    if (reader.bad || length != reader_left(&reader)) {
        client_close(client, REASON_PROTOCOL, "a malformed SASLInitialResponse");
        return;
    }
    if (strcmp(mechanism, "SCRAM-SHA-256") != 0) {
        client_close(client, REASON_PROTOCOL, "a SASL mechanism that was not offered");
        return;
    }
    builder_init(&reply, room, sizeof room);
    if (!scram_server_first(login->scram, reader_bytes(&reader, length), length, &reply, &fault)) {
        client_refuse(client, &fault);
        return;
    }
    login->answer_expected = true;
    send_sasl(client, AUTH_SASL_CONTINUE, reply.bytes, reply.used);
}

static void scram_final(struct client *client, const unsigned char *body, size_t size)
{
    const struct user *user = find_user(client);
    char room[SCRAM_MESSAGE_MAX_BYTES];
    struct builder reply;
    struct fault fault;
    bool matches = false;

    builder_init(&reply, room, sizeof room);
    if (!scram_server_final(client->login->scram, body, size, &reply, &matches, &fault)) {
        client_refuse(client, &fault);
        return;
    }
    if (!matches || user == NULL) {
        password_failed(client, user == NULL ? "no such user in auth_file" : "wrong password");
        return;
    }
    send_sasl(client, AUTH_SASL_FINAL, reply.bytes, reply.used);
    share_credentials(client, user);
    welcome_begin(client, NULL);
}

static void scram_answer(struct client *client, const unsigned char *body, size_t size)
{
    if (client->login->scram->nonce[0] == '\0')
        scram_first(client, body, size);
    else
        scram_final(client, body, size);
}

static void scram_end(struct client *client)
{
    struct scram_server *scram = client->login->scram;

    client->login->scram = NULL;
    if (scram != NULL)
        explicit_bzero(scram, sizeof *scram);
    free(scram);
}

static const struct auth_driver auth_scram = {.start = scram_start, .answer = scram_answer, .end = scram_end};

static void relay_queue(struct client *client);

static void relay_ready(struct server *server, void *owner, const struct login_parameters *parameters)
{
    struct client *client = owner;

    client->login->relaying = NULL;
    profile_set_welcome(&client->pool->profiles, server->profile, parameters->bytes, parameters->length);
    pool_forget_failure(client->pool);
    server_watch_parked(server);
    welcome_begin(client, server);
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
    if (failure->message != NULL)
        client_refuse_with(client, failure->message, failure->bytes);
    else
        client_refuse(client, failure->fault);
}

static void relay_message(struct server *server, void *owner, const void *message, size_t bytes)
{
    struct client *client = owner;
    uint32_t code = frame_u32((const char *)message + FRAME_HEADER_BYTES);

    (void)server;
    client->login->asked = true;
    client->login->answer_expected = code != AUTH_SASL_FINAL;
    stream_send(&client->stream, message, bytes);
}

static const struct login_events relay_events = {
    .ready = relay_ready, .failed = relay_failed, .relay = relay_message};

static void relay_connect(struct client *client, bool counted)
{
    struct login *login = client->login;
    struct server *server = connect_start(client->shard, client->profile, client->identity.application_name,
                                          counted, &relay_events, client);

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
    if (client->verdict.class == CLASS_ADMIN)
        relay_connect(client, false);
    else
        relay_queue(client);
}

static void relay_answer(struct client *client, const unsigned char *body, size_t size)
{
    if (client->login->relaying == NULL)
        no_answer(client, body, size);
    else
        stream_send(&client->login->relaying->stream, body - FRAME_HEADER_BYTES, size + FRAME_HEADER_BYTES);
}

static void relay_end(struct client *client)
{
    struct server *server = client->login->relaying;

    client->login->relaying = NULL;
    if (server != NULL)
        connect_abandon(server);
}

static const struct auth_driver auth_relay = {.start = relay_start, .answer = relay_answer, .end = relay_end};

const struct auth_driver *auth_driver(enum auth_type type)
{
    static const struct auth_driver *const drivers[] = {
#define AUTH(id, name, sentence) &auth_##id,
#include "gateway/auth.def"
#undef AUTH
    };

    return drivers[type];
}
