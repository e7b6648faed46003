/* SPDX-License-Identifier: PostgreSQL
 * auth_known - the drivers that ask the client for nothing: trust, reject, cert and peer. */
#include <pwd.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/authenticate.h"
#include "gateway/base/fault.h"
#include "gateway/client.h"
#include "gateway/gateway.h"
#include "gateway/login.h"
#include "gateway/net/tls.h"
#include "gateway/secrets.h"

enum { NAME_MAX_BYTES = 1024, PASSWD_ROOM_BYTES = 16384 };

static void trust_start(struct client *client)
{
    secrets_share_known(client);
    auth_passed(client);
}

const struct auth_driver auth_trust = {
    .start = trust_start, .answer = auth_no_answer, .end = auth_no_end};

static void reject_start(struct client *client)
{
    char peer[ADDRESS_TEXT_BYTES];
    struct fault fault;

    address_print(&client->peer, peer, sizeof peer);
    fault_set(&fault, "28000", "the gateway's auth_hba_file rejects %s: user \"%s\", database \"%s\", %s",
              peer, client->identity.user, client->identity.database,
              client->stream.tls == NULL ? "no encryption" : "TLS");
    client_refuse(client, &fault);
}

const struct auth_driver auth_reject = {
    .start = reject_start, .answer = auth_no_answer, .end = auth_no_end};

static void cert_start(struct client *client)
{
    char name[NAME_MAX_BYTES];
    struct fault fault;

    if (client->stream.tls == NULL || !tls_peer_verified(client->stream.tls)) {
        fault_set(&fault, "28000", "a client certificate is needed to log in as user \"%s\"",
                  client->identity.user);
        fault_hint(&fault, "Connect with sslmode=require or stricter, sslcert and sslkey.");
        client_refuse(client, &fault);
        return;
    }
    if (!auth_certificate_name(client, name, sizeof name)) {
        auth_failed(client, "certificate", "the certificate has no such name, or a NUL byte in it");
        return;
    }
    if (!auth_name_fits(client, name)) {
        auth_failed(client, "certificate", "the certificate's name is not the user's");
        return;
    }
    secrets_share_known(client);
    auth_passed(client);
}

const struct auth_driver auth_cert = {.start = cert_start, .answer = auth_no_answer, .end = auth_no_end};

/* Source: unix(7), SO_PEERCRED: who called connect(), as the kernel knows it. */
static bool peer_name(const struct client *client, char *name, size_t room)
{
    struct ucred who;
    socklen_t length = sizeof who;
    char text[PASSWD_ROOM_BYTES];
    struct passwd entry, *found = NULL;

    if (client->peer.any.sa_family != AF_UNIX ||
        getsockopt(client->stream.fd, SOL_SOCKET, SO_PEERCRED, &who, &length) != 0 ||
        getpwuid_r(who.uid, &entry, text, sizeof text, &found) != 0 || found == NULL ||
        strlen(found->pw_name) >= room)
        return false;
    strcpy(name, found->pw_name);
    return true;
}

static void peer_start(struct client *client)
{
    char name[NAME_MAX_BYTES];

    if (!peer_name(client, name, sizeof name)) {
        auth_failed(client, "peer", "the operating system does not name the user behind the socket");
    } else if (!auth_name_fits(client, name)) {
        auth_failed(client, "peer", "the operating system's user is not the database user");
    } else {
        secrets_share_known(client);
        auth_passed(client);
    }
}

const struct auth_driver auth_peer = {.start = peer_start, .answer = auth_no_answer, .end = auth_no_end};
