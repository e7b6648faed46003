/* SPDX-License-Identifier: PostgreSQL
 * authenticate - how a client proves who it is: the table of drivers, and what all of them say in the end. */
#include "gateway/authenticate.h"

#include <string.h>

#include "gateway/auth/penalty.h"
#include "gateway/base/fault.h"
#include "gateway/base/log.h"
#include "gateway/client.h"
#include "gateway/gateway.h"
#include "gateway/login.h"
#include "gateway/welcome.h"
#include "gateway/worker.h"

const struct auth_driver *auth_driver(enum auth_type type)
{
    static const struct auth_driver *const drivers[] = {
#define AUTH(id, name, sentence) &auth_##id,
#include "gateway/auth.def"
#undef AUTH
    };

    return drivers[type];
}

void auth_no_answer(struct client *client, const unsigned char *body, size_t size)
{
    (void)body;
    (void)size;
    client_close(client, REASON_PROTOCOL, "no password was asked for");
}

void auth_no_end(struct client *client)
{
    (void)client;
}

void auth_passed(struct client *client)
{
    penalty_forget(client->worker->gateway->penalties, &client->peer);
    welcome_begin(client, NULL);
}

static void tell_failure(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct client *client = timer->data;
    struct fault fault = client->login->failure;

    (void)loop;
    (void)events;
    client_refuse(client, &fault);
}

/* What is not told to the client is that, and why, it waits. */
static void tell_failure_later(struct client *client, uint64_t delay_us)
{
    struct login *login = client->login;

    stream_pause(&client->stream);
    ev_timer_init(&login->held, tell_failure, (double)delay_us / 1e6, 0);
    login->held.data = client;
    ev_timer_start(client->worker->loop, &login->held);
}

void auth_failed(struct client *client, const char *what, const char *truth)
{
    uint64_t delay_us = client->generation->snapshot->auth.delay_us;
    struct fault *fault = &client->login->failure;
    char peer[ADDRESS_TEXT_BYTES];

    address_print(&client->peer, peer, sizeof peer);
    log_warn(client->worker->thread.who, "client=%llu login of user=%s database=%s peer=%s failed: %s",
             (unsigned long long)client->id, client->identity.user, client->identity.database, peer, truth);
    fault_set(fault, client->login->auth_type <= AUTH_SCRAM ? "28P01" : "28000",
              "%s authentication failed for user \"%s\"", what, client->identity.user);
    if (delay_us > 0) {
        tell_failure_later(client, penalty_add(client->worker->gateway->penalties, &client->peer, delay_us,
                                               client->worker->thread.now_us));
        return;
    }
    tell_failure(client->worker->loop, &(ev_timer){.data = client}, 0);
}
