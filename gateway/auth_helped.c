/* SPDX-License-Identifier: PostgreSQL
 * auth_helped - the drivers `ldap` and `pam`: the password in clear text, judged by somebody else on a
 * thread of its own. */
#include <string.h>

#include "gateway/auth/hba.h"
#include "gateway/auth/inquiry.h"
#include "gateway/authenticate.h"
#include "gateway/base/arena.h"
#include "gateway/base/fault.h"
#include "gateway/client.h"
#include "gateway/gateway.h"
#include "gateway/login.h"
#include "gateway/secrets.h"
#include "gateway/worker.h"

static const char *method_of(const struct client *client)
{
    return client->login->auth_type == AUTH_LDAP ? "LDAP" : "PAM";
}

static void answered(void *asker, bool right, const struct fault *truth)
{
    struct client *client = asker;

    client->login->inquiry = NULL;
    if (!right) {
        auth_failed(client, method_of(client), truth->message);
        return;
    }
    secrets_share_judged(client, client->login->password);
    auth_passed(client);
}

/* The address without the port, as PAM modules expect it. */
static const char *peer_host(const struct client *client, char *text, size_t room)
{
    if (client->peer.any.sa_family == AF_UNIX)
        return NULL;
    return address_print_host(&client->peer, text, room) ? text : NULL;
}

static void helped_answer(struct client *client, const unsigned char *body, size_t size)
{
    const struct hba_rule *rule = client->login->rule;
    char peer[ADDRESS_TEXT_BYTES];
    struct inquiry_request request = {.user = client->identity.user,
                                      .password = auth_password_of(body, size),
                                      .ldap = rule->ldap,
                                      .service = rule->pamservice == NULL ? "postgresql" : rule->pamservice,
                                      .peer = peer_host(client, peer, sizeof peer),
                                      .answered = answered,
                                      .asker = client};
    struct worker *worker = client->worker;
    struct fault fault;

    if (request.password == NULL) {
        client_close(client, REASON_PROTOCOL, "a malformed password message");
        return;
    }
    client->login->inquiry = inquiry_send(worker->gateway->offload, &worker->mailbox, &request, &fault);
    if (client->login->inquiry == NULL)
        client_refuse(client, &fault);
    else
        client->login->password = arena_string(client->login->arena, request.password);
}

static void helped_end(struct client *client)
{
    if (client->login->inquiry != NULL)
        inquiry_forget(client->login->inquiry);
    client->login->inquiry = NULL;
}

const struct auth_driver auth_ldap = {
    .start = auth_ask_password, .answer = helped_answer, .end = helped_end};
const struct auth_driver auth_pam = {.start = auth_ask_password, .answer = helped_answer, .end = helped_end};
