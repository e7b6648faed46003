/* SPDX-License-Identifier: PostgreSQL
 * welcome - the end of a login. What a client is told comes from a server of its own pool and startup
 * parameters: from what the last such server said, or from one that is opened now. */
#include "gateway/welcome.h"

#include <string.h>

#include "gateway/admin/console.h"
#include "gateway/base/fault.h"
#include "gateway/client.h"
#include "gateway/gateway.h"
#include "gateway/login.h"
#include "gateway/relay.h"
#include "gateway/reply.h"
#include "gateway/wire/fields.h"
#include "gateway/worker.h"

enum { SECRET_BYTES_3_0 = 4 };

/* What the examination of texts depends on. */
static void note_parameter(struct relay *relay, const char *name, const char *value)
{
    static const char *const opaque[] = {"SJIS", "SHIFT_JIS_2004", "BIG5", "GBK", "GB18030", "UHC", "JOHAB"};

    if (strcmp(name, "standard_conforming_strings") == 0)
        relay->plain_backslashes = strcmp(value, "off") == 0;
    if (strcmp(name, "client_encoding") != 0)
        return;
    for (size_t i = 0; i < sizeof opaque / sizeof *opaque; i++)
        if (strcmp(value, opaque[i]) == 0)
            relay->opaque_encoding = true;
}

static void note_parameters(struct relay *relay, const struct welcome *welcome)
{
    const char *name, *value;
    struct frame frame;

    for (size_t at = 0; at < welcome->length; at += frame.size) {
        if (frame_peek(welcome->bytes + at, welcome->length - at, &frame) != FRAME_OK)
            return;
        if (fields_parameter_status(welcome->bytes + at + FRAME_HEADER_BYTES, frame.size - FRAME_HEADER_BYTES,
                                    &name, &value))
            note_parameter(relay, name, value);
    }
}

static void finish(struct client *client, struct server *own)
{
    size_t secret = client->login->minor >= 2 ? POOLED_SECRET_BYTES : SECRET_BYTES_3_0;

    note_parameters(&client->relay, atomic_load(&client->profile->welcome));
    client_make_key(client, own == NULL ? 0 : own->backend_pid, secret);
    login_abandon(client);
    client->waiter = (struct waiter){.want = WANT_POOLED};
    list_init(&client->waiter.link);
    reply_welcome(client);
    client->counted_in_pool = true;
    atomic_fetch_add(&client->pool->clients, 1);
    atomic_store(&client->pool->usual, client->profile);
    atomic_fetch_add_explicit(&client->worker->gateway->counters.logins_done, 1, memory_order_relaxed);
    relay_begin(client);
    if (own != NULL) {
        client->relay.dedicated = true;
        relay_pin(client, PIN_SESSION_MODE);
        relay_link(client, own);
    }
    stream_resume(&client->stream);
}

static void on_granted(struct waiter *waiter, struct server *server)
{
    struct client *client = list_entry(waiter, struct client, waiter);

    client->login->queued = false;
    if (waiter->want == WANT_FRESH) {
        finish(client, server);
        return;
    }
    pool_give(server);
    finish(client, NULL);
}

static void on_failed(struct waiter *waiter, const struct fault *fault, const void *message, size_t bytes)
{
    struct client *client = list_entry(waiter, struct client, waiter);

    client->login->queued = false;
    if (message != NULL)
        client_refuse_with(client, message, bytes);
    else
        client_refuse(client, fault);
}

/* Waits for a server: any of the pool for its parameters, or one to keep. */
static void wait_for_server(struct client *client)
{
    bool session = client->verdict.mode == MODE_SESSION;
    struct server *server;

    client_enter(client, CLIENT_WELCOMING);
    client->waiter = (struct waiter){.want = session ? WANT_FRESH : WANT_POOLED,
                                     .profile = client->profile,
                                     .application_name = client->identity.application_name,
                                     .granted = on_granted,
                                     .failed = on_failed};
    list_init(&client->waiter.link);
    client->login->queued = true;
    server = pool_take(client->shard, &client->waiter);
    if (server != NULL)
        on_granted(&client->waiter, server);
}

void welcome_begin(struct client *client, struct server *brought)
{
    bool session = client->verdict.mode == MODE_SESSION;

    if (client->verdict.class == CLASS_ADMIN) {
        if (brought != NULL)
            server_close(brought, "it only proved who a console user is");
        console_begin(client);
        return;
    }
    if (session && brought != NULL) {
        server_enter(brought, SERVER_ACTIVE);
        finish(client, brought);
        return;
    }
    if (brought != NULL)
        pool_give(brought);
    if (!session && atomic_load(&client->profile->welcome) != NULL)
        finish(client, NULL);
    else
        wait_for_server(client);
}
