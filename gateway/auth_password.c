/* SPDX-License-Identifier: PostgreSQL
 * auth_password - the drivers `plain`, `md5` and `scram-sha-256`. A user that nobody knows goes through the
 * same exchange as one whose password is wrong. */
#include <stdlib.h>
#include <string.h>

#include "gateway/auth/secret.h"
#include "gateway/authenticate.h"
#include "gateway/base/arena.h"
#include "gateway/base/fault.h"
#include "gateway/base/random.h"
#include "gateway/client.h"
#include "gateway/gateway.h"
#include "gateway/login.h"
#include "gateway/net/tls.h"
#include "gateway/secrets.h"
#include "gateway/wire/fields.h"
#include "gateway/wire/md5.h"
#include "gateway/wire/write.h"
#include "gateway/worker.h"

static void ask(struct client *client, uint32_t code, const void *body, size_t bytes)
{
    unsigned char message[SCRAM_MESSAGE_MAX_BYTES + 32];
    struct builder builder;

    builder_init(&builder, message, sizeof message);
    write_authentication(&builder, code, body, bytes);
    stream_send(&client->stream, builder.bytes, builder.used);
}

static void failed(struct client *client, const char *truth)
{
    secrets_forget(client);
    auth_failed(client, "password",
                client->login->secret == NULL ? "unknown user, or one that may not log in" : truth);
}

static void passed(struct client *client)
{
    secrets_share_forced(client);
    auth_passed(client);
}

void auth_ask_password(struct client *client)
{
    client->login->answer_expected = true;
    ask(client, ASK_CLEARTEXT, NULL, 0);
}

const char *auth_password_of(const unsigned char *body, size_t size)
{
    const char *password = (const char *)body;

    return size > 0 && memchr(body, '\0', size) == body + size - 1 ? password : NULL;
}

static void plain_judge(struct client *client)
{
    struct login *login = client->login;
    struct secret_keys keys;
    const char *truth;

    if (!secret_check_password(login->secret, client->identity.user, login->password, &keys, &truth)) {
        failed(client, truth);
        return;
    }
    secrets_share_password(client, login->password);
    explicit_bzero(&keys, sizeof keys);
    passed(client);
}

static void plain_answer(struct client *client, const unsigned char *body, size_t size)
{
    const char *password = auth_password_of(body, size);

    if (password == NULL) {
        client_close(client, REASON_PROTOCOL, "a malformed password message");
        return;
    }
    client->login->password = arena_string(client->login->arena, password);
    secrets_find(client, plain_judge);
}

const struct auth_driver auth_plain = {
    .start = auth_ask_password, .answer = plain_answer, .end = auth_no_end};

static void scram_begin(struct client *client);

/* Users whose secret is a SCRAM verifier cannot be asked by MD5; unknown ones are asked as known ones are. */
static void md5_begin(struct client *client)
{
    _Atomic int *usual = &client->worker->gateway->usual_secret;
    enum secret_kind kind = secret_kind(client->login->secret);

    if (kind == SECRET_NONE)
        kind = (enum secret_kind)atomic_load_explicit(usual, memory_order_relaxed);
    else
        atomic_store_explicit(usual, (int)kind, memory_order_relaxed);
    if (kind == SECRET_SCRAM) {
        client->login->auth_type = AUTH_SCRAM;
        scram_begin(client);
        return;
    }
    random_fill(client->login->salt, sizeof client->login->salt);
    client->login->answer_expected = true;
    ask(client, ASK_MD5, client->login->salt, sizeof client->login->salt);
}

static void md5_start(struct client *client)
{
    secrets_find(client, md5_begin);
}

static void md5_check(struct client *client, const unsigned char *body, size_t size)
{
    const char *response = auth_password_of(body, size), *truth;
    struct login *login = client->login;

    if (response == NULL) {
        client_close(client, REASON_PROTOCOL, "a malformed password message");
    } else if (!secret_check_md5(login->secret, client->identity.user, login->salt, response, &truth)) {
        failed(client, truth);
    } else {
        secrets_share_secret(client);
        passed(client);
    }
}

const struct auth_driver auth_md5 = {.start = md5_start, .answer = md5_check, .end = auth_no_end};

static void scram_begin(struct client *client)
{
    struct login *login = client->login;
    struct scram_verifier mock;
    struct tls_binding binding;
    const char *mechanisms;
    size_t bytes;

    login->scram = calloc(1, sizeof *login->scram);
    if (login->scram == NULL) {
        client_close(client, REASON_MEMORY, NULL);
        return;
    }
    scram_verifier_mock(client->identity.user, client->worker->gateway->mock_secret, &mock);
    if (login->secret == NULL || !secret_verifier(login->secret, mock.salt, &login->scram->verifier))
        login->scram->verifier = mock;
    if (client->stream.tls != NULL) {
        tls_server_binding(client->stream.tls, &binding);
        scram_binding_set(&login->scram->binding, binding.bytes, binding.length);
    }
    mechanisms = scram_mechanisms(login->scram->binding.bytes > 0, &bytes);
    login->answer_expected = true;
    ask(client, ASK_SASL, mechanisms, bytes);
}

static void scram_start(struct client *client)
{
    secrets_find(client, scram_begin);
}

static void scram_first(struct client *client, const unsigned char *body, size_t size)
{
    struct scram_server *scram = client->login->scram;
    char room[SCRAM_MESSAGE_MAX_BYTES];
    struct scram_initial initial;
    struct builder reply;
    struct fault fault;

    if (!scram_initial_read(body, size, &initial)) {
        client_close(client, REASON_PROTOCOL, "a malformed SASLInitialResponse");
        return;
    }
    builder_init(&reply, room, sizeof room);
    if (!scram_server_choose(scram, initial.mechanism, &fault) ||
        !scram_server_first(scram, initial.message, initial.bytes, &reply, &fault)) {
        client_refuse(client, &fault);
        return;
    }
    client->login->answer_expected = true;
    ask(client, ASK_SASL_CONTINUE, reply.bytes, reply.used);
}

static void scram_final(struct client *client, const unsigned char *body, size_t size)
{
    struct scram_server *scram = client->login->scram;
    enum secret_kind kind = secret_kind(client->login->secret);
    char room[SCRAM_MESSAGE_MAX_BYTES];
    struct builder reply;
    struct fault fault;
    bool matches = false;

    builder_init(&reply, room, sizeof room);
    if (!scram_server_final(scram, body, size, &reply, &matches, &fault)) {
        client_refuse(client, &fault);
        return;
    }
    if (!matches || (kind != SECRET_PASSWORD && kind != SECRET_SCRAM)) {
        failed(client, kind == SECRET_MD5 ? "its secret is an MD5 hash, which SCRAM cannot check"
                       : kind == SECRET_NONE ? "its secret is empty"
                                             : "wrong password");
        return;
    }
    ask(client, ASK_SASL_FINAL, reply.bytes, reply.used);
    if (kind == SECRET_PASSWORD)
        secrets_share_secret(client);
    else
        secrets_share_keys(client, scram->client_key, scram->verifier.server_key);
    passed(client);
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

const struct auth_driver auth_scram = {.start = scram_start, .answer = scram_answer, .end = scram_end};
