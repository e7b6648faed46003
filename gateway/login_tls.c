/* SPDX-License-Identifier: PostgreSQL
 * login_tls - how a client's connection becomes encrypted, and whether it may stay plain.
 * Source: PostgreSQL manual, "SSL Session Encryption". */
#include "gateway/login_tls.h"

#include <sys/socket.h>

#include "gateway/base/fault.h"
#include "gateway/client.h"
#include "gateway/gateway.h"
#include "gateway/login.h"
#include "gateway/net/stream_secure.h"
#include "gateway/net/tls.h"
#include "gateway/worker.h"

enum { TLS_HANDSHAKE_RECORD = 0x16 };

static bool offers_tls(const struct client *client)
{
    return client->listener->client_tls_sslmode != SSLMODE_DISABLE && client->peer.any.sa_family != AF_UNIX &&
           tls_context_has_certificate(client->generation->access.client_tls);
}

static enum tls_demand demand_of(const struct client *client)
{
    if (client->listener->client_tls_sslmode >= SSLMODE_VERIFY_CA)
        return TLS_DEMAND_CERTIFICATE;
    return client->generation->snapshot->tls.client.ca_file == NULL ? TLS_ASK_NOTHING : TLS_ASK_CERTIFICATE;
}

static void start(struct client *client, bool demand_alpn, const void *early, size_t bytes)
{
    struct tls *tls = tls_accept(client->generation->access.client_tls, demand_of(client), demand_alpn);

    if (tls == NULL)
        client_close(client, REASON_MEMORY, NULL);
    else
        stream_secure(&client->stream, tls, early, bytes);
}

void login_encryption_request(struct client *client, enum startup_kind kind, bool alone)
{
    bool *asked = kind == STARTUP_SSL ? &client->login->ssl_asked : &client->login->gss_asked;

    if (*asked || !alone || client->stream.tls != NULL) {
        client_close(client, REASON_PROTOCOL,
                     client->stream.tls != NULL ? "encryption was asked for within TLS"
                     : *asked                   ? "the same encryption request came twice"
                                                : "bytes came behind an encryption request");
        return;
    }
    *asked = true;
    if (kind == STARTUP_GSS || !offers_tls(client)) {
        stream_send(&client->stream, "N", 1);
        return;
    }
    stream_send(&client->stream, "S", 1);
    stream_flush(&client->stream);
    if (stream_backlog(&client->stream) > 0)
        client_close(client, REASON_CLIENT_LOST, "it does not take a single byte");
    else
        start(client, false, NULL, 0);
}

bool login_is_tls_record(const struct client *client, const unsigned char *bytes)
{
    return bytes[0] == TLS_HANDSHAKE_RECORD && client->stream.tls == NULL;
}

void login_direct_tls(struct client *client, const unsigned char *bytes, size_t length)
{
    if (offers_tls(client) && !client->login->ssl_asked && !client->login->gss_asked)
        start(client, true, bytes, length);
    else
        client_close(client, REASON_PROTOCOL, NULL);
}

bool login_encryption_suffices(struct client *client)
{
    struct fault fault;

    if (client->stream.tls != NULL || client->listener->client_tls_sslmode < SSLMODE_REQUIRE ||
        client->peer.any.sa_family == AF_UNIX)
        return true;
    fault_set(&fault, "28000", "TLS is required on this port, and this connection is not encrypted");
    fault_hint(&fault, "Connect with sslmode=require or stricter.");
    client_refuse(client, &fault);
    return false;
}
