/* SPDX-License-Identifier: PostgreSQL
 * welcome - the end of a login. What a client is told comes from a server of its own pool and startup
 * parameters: from what the last such server said, or from one that is opened now. */
#include "gateway/welcome.h"

#include <string.h>
#include <strings.h>

#include "gateway/admin/console.h"
#include "gateway/admission.h"
#include "gateway/base/fault.h"
#include "gateway/client.h"
#include "gateway/gateway.h"
#include "gateway/login.h"
#include "gateway/relay.h"
#include "gateway/relay_state.h"
#include "gateway/reply.h"
#include "gateway/wire/fields.h"
#include "gateway/worker.h"

enum { SECRET_BYTES_3_0 = 4 };

static void note_parameters(struct relay *relay, const struct welcome *welcome)
{
    const char *name, *value;
    struct frame frame;

    for (size_t at = 0; at < welcome->length; at += frame.size) {
        if (frame_peek(welcome->bytes + at, welcome->length - at, &frame) != FRAME_OK)
            return;
        if (fields_parameter_status(welcome->bytes + at + FRAME_HEADER_BYTES, frame.size - FRAME_HEADER_BYTES,
                                    &name, &value))
            state_note_reading(relay, name, value);
    }
}

static bool is_told(const struct welcome *welcome, const unsigned char *message, size_t size)
{
    struct frame frame;

    for (size_t at = 0; welcome != NULL && at < welcome->length; at += frame.size) {
        if (frame_peek(welcome->bytes + at, welcome->length - at, &frame) != FRAME_OK)
            return false;
        if (frame.size == size && memcmp(welcome->bytes + at, message, size) == 0)
            return true;
    }
    return false;
}

static bool is_own(const struct client *client, const char *name)
{
    char folded[SETTING_NAME_BYTES];
    size_t length = strlen(name);

    if (length >= sizeof folded)
        return false;
    for (size_t i = 0; i <= length; i++)
        folded[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + ('a' - 'A') : name[i]);
    return settings_value(client->settings, folded) != NULL;
}

void welcome_renew(struct client *client)
{
    const struct welcome *newest = atomic_load(&client->profile->welcome), *told = client->welcome;
    const char *name, *value;
    struct frame frame;

    client->welcome = newest;
    for (size_t at = 0; newest != NULL && at < newest->length; at += frame.size) {
        if (frame_peek(newest->bytes + at, newest->length - at, &frame) != FRAME_OK)
            return;
        if (is_told(told, newest->bytes + at, frame.size) ||
            !fields_parameter_status(newest->bytes + at + FRAME_HEADER_BYTES, frame.size - FRAME_HEADER_BYTES,
                                     &name, &value) ||
            is_own(client, name))
            continue;
        stream_send(&client->stream, newest->bytes + at, frame.size);
        state_note_reading(&client->relay, name, value);
    }
}

/* Whether the startup packet asks for fewer messages than a NOTICE: in its options, which PostgreSQL reads
 * first, or in front of the name. */
static bool wants_no_notice(const struct startup *startup)
{
    const char *options = startup_get(startup, "options");
    bool quiet = options != NULL && strstr(options, "client_min_messages") != NULL;

    for (size_t i = 0; i < startup->parameter_count; i++) {
        const struct startup_parameter *parameter = &startup->parameters[i];

        if (strcmp(parameter->name, "application_name") == 0)
            break;
        if (strcasecmp(parameter->name, "client_min_messages") == 0)
            quiet = strcasecmp(parameter->value, "notice") != 0;
    }
    return quiet;
}

/* What PostgreSQL says when it cuts the name; the message is "" when it says nothing. */
static void note_cut(const struct startup *startup, struct fault *notice)
{
    char name[STARTUP_NAME_BYTES];

    startup_clean_name(startup->application_name, name, notice);
    if (wants_no_notice(startup))
        notice->message[0] = '\0';
}

static void finish(struct client *client, struct server *own)
{
    struct fault cut;
    size_t secret = client->login->minor >= 2 ? POOLED_SECRET_BYTES : SECRET_BYTES_3_0;

    client->welcome = atomic_load(&client->profile->welcome);
    note_parameters(&client->relay, client->welcome);
    client_make_key(client, own == NULL ? 0 : own->backend_pid, secret);
    note_cut(&client->login->startup, &cut);
    login_abandon(client);
    client->waiter = (struct waiter){.want = WANT_POOLED};
    list_init(&client->waiter.link);
    reply_welcome(client, cut.message[0] == '\0' ? NULL : &cut);
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
                                     .owner = client->id,
                                     .epoch = client->epoch,
                                     .startup_name = client->identity.startup_name,
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

    if (!admission_enters(client)) {
        if (brought != NULL)
            pool_give(brought);
        return;
    }
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
    client->epoch = atomic_load(&client->worker->gateway->pools.epoch);
    if (!session && atomic_load(&client->profile->welcome) != NULL &&
        atomic_load(&client->profile->epoch) >= client->epoch)
        finish(client, NULL);
    else
        wait_for_server(client);
}
