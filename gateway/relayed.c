/* SPDX-License-Identifier: PostgreSQL
 * relayed - a login whose exchange goes through to PostgreSQL, and where channel binding ends it. */
#include "gateway/relayed.h"

#include <string.h>

#include "gateway/base/fault.h"
#include "gateway/client.h"
#include "gateway/net/tls.h"
#include "gateway/wire/fields.h"
#include "gateway/wire/frame.h"
#include "gateway/wire/write.h"

enum { OFFER_MAX_BYTES = 1024 };

/* With the same certificate on both legs, binding to the one is binding to the other. */
static bool is_bound_alike(const struct stream *client, const struct stream *server)
{
    struct tls_binding here, there;

    if (client->tls == NULL || server->tls == NULL)
        return false;
    tls_server_binding(client->tls, &here);
    tls_server_binding(server->tls, &there);
    return here.length > 0 && here.length == there.length &&
           memcmp(here.bytes, there.bytes, here.length) == 0;
}

bool relayed_request(struct client *client, const struct stream *server, const void *message, size_t bytes)
{
    unsigned char room[OFFER_MAX_BYTES], names[OFFER_MAX_BYTES];
    struct builder kept, offer;
    struct reader reader;
    bool found = false;

    reader_init(&reader, (const char *)message + FRAME_HEADER_BYTES, bytes - FRAME_HEADER_BYTES);
    if (reader_u32(&reader) != ASK_SASL || bytes > OFFER_MAX_BYTES ||
        is_bound_alike(&client->stream, server)) {
        stream_send(&client->stream, message, bytes);
        return false;
    }
    builder_init(&kept, names, sizeof names);
    while (reader_left(&reader) > 1) {
        const char *name = reader_string(&reader);

        if (strcmp(name, "SCRAM-SHA-256-PLUS") == 0)
            found = true;
        else
            builder_string(&kept, name);
        if (reader.bad)
            break;
    }
    builder_u8(&kept, 0);
    builder_init(&offer, room, sizeof room);
    write_authentication(&offer, ASK_SASL, kept.bytes, kept.used);
    if (found && !reader.bad && builder_ok(&kept) && builder_ok(&offer))
        stream_send(&client->stream, offer.bytes, offer.used);
    else
        stream_send(&client->stream, message, bytes);
    return found;
}

/* The first byte of a SASLInitialResponse's client-first message: n, y or p. */
static char binding_flag(const void *body, size_t size)
{
    struct reader reader;
    const char *first;

    reader_init(&reader, body, size);
    (void)reader_string(&reader);
    (void)reader_u32(&reader);
    first = reader_bytes(&reader, 1);
    return first == NULL ? '\0' : *first;
}

/* A client that could bind (`y`) but was not offered it is what an attacker in between would look like. */
bool relayed_answer(struct client *client, const void *message, size_t bytes)
{
    struct fault fault;

    if (binding_flag((const char *)message + FRAME_HEADER_BYTES, bytes - FRAME_HEADER_BYTES) != 'y')
        return true;
    fault_set(
        &fault, "28000",
        "this login cannot go through to PostgreSQL: both legs use TLS with different certificates, and "
        "SCRAM channel binding would have to hold across both");
    fault_hint(&fault, "Connect with channel_binding=disable, use a listener with tls = \"passthrough\", or "
                       "have the gateway check passwords: auth_type = \"scram-sha-256\" and auth_user.");
    client_refuse(client, &fault);
    return false;
}
