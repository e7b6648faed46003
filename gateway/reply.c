/* SPDX-License-Identifier: PostgreSQL
 * reply - what the gateway itself says to a client. */
#include "gateway/reply.h"

#include "gateway/base/fault.h"
#include "gateway/client.h"
#include "gateway/wire/write.h"

enum { ERROR_BYTES = 2048 };

static void send_error(struct client *client, char type, const char *severity, const struct fault *fault)
{
    unsigned char message[ERROR_BYTES];
    struct builder builder;

    builder_init(&builder, message, sizeof message);
    write_error(&builder, type, severity, fault);
    if (builder_ok(&builder))
        stream_send(&client->stream, builder.bytes, builder.used);
}

void reply_error(struct client *client, const char *severity, const struct fault *fault)
{
    send_error(client, 'E', severity, fault);
}

void reply_notice(struct client *client, const struct fault *fault)
{
    send_error(client, 'N', "NOTICE", fault);
}

void reply_ready(struct client *client, char status)
{
    const unsigned char message[] = {'Z', 0, 0, 0, 5, (unsigned char)status};

    stream_send(&client->stream, message, sizeof message);
}

void reply_welcome(struct client *client, const struct fault *notice)
{
    const struct welcome *welcome = client->profile == NULL ? NULL : atomic_load(&client->profile->welcome);
    unsigned char message[512];
    struct builder builder;

    builder_init(&builder, message, sizeof message);
    write_authentication(&builder, 0, NULL, 0);
    stream_send(&client->stream, builder.bytes, builder.used);
    if (notice != NULL)
        reply_notice(client, notice);
    if (welcome != NULL)
        stream_send(&client->stream, welcome->bytes, welcome->length);
    builder_init(&builder, message, sizeof message);
    if (client->identity.application_name != NULL)
        write_parameter_status(&builder, "application_name", client->identity.application_name);
    if (client->key.secret_bytes > 0)
        write_backend_key(&builder, client->key.pid, client->secret, client->key.secret_bytes);
    write_ready(&builder, 'I');
    stream_send(&client->stream, builder.bytes, builder.used);
}
