/* SPDX-License-Identifier: PostgreSQL
 * auth_hba - the driver `hba`: the first line of auth_hba_file that fits a connection says how it proves
 * itself. Direct sessions prove themselves to PostgreSQL; here they are only let through or not. */
#include <string.h>

#include "gateway/auth/hba.h"
#include "gateway/auth/ident.h"
#include "gateway/authenticate.h"
#include "gateway/base/fault.h"
#include "gateway/base/log.h"
#include "gateway/client.h"
#include "gateway/direct.h"
#include "gateway/gateway.h"
#include "gateway/login.h"
#include "gateway/net/tls.h"
#include "gateway/secrets.h"
#include "gateway/worker.h"

enum { NAME_MAX_BYTES = 1024 };

bool auth_certificate_name(const struct client *client, char *text, size_t room)
{
    const struct hba_rule *rule = client->login->rule;

    if (rule != NULL && rule->clientname == HBA_CLIENTNAME_DN)
        return tls_peer_distinguished_name(client->stream.tls, text, room);
    return tls_peer_common_name(client->stream.tls, text, room);
}

static enum hba_answer member(void *context, const char *role, const char *user)
{
    (void)user; /* the client's own: roles were looked up for it */
    return secrets_is_member(context, role);
}

bool auth_name_fits(struct client *client, const char *name)
{
    const struct hba_rule *rule = client->login->rule;
    const struct ident_question question = {.system_user = name,
                                            .database_user = client->identity.user,
                                            .members = {.ask = member, .context = client}};

    return ident_match(client->generation->access.ident, rule == NULL ? NULL : rule->map, &question);
}

static bool certificate_suffices(struct client *client, const struct hba_rule *rule)
{
    char name[NAME_MAX_BYTES];
    struct fault fault;

    if (rule->clientcert == HBA_CLIENTCERT_NONE)
        return true;
    if (client->stream.tls == NULL || !tls_peer_verified(client->stream.tls)) {
        fault_set(&fault, "28000", "connection requires a valid client certificate");
        fault_hint(&fault, "Connect with sslmode=require or stricter, sslcert and sslkey.");
        client_refuse(client, &fault);
        return false;
    }
    if (rule->clientcert == HBA_CLIENTCERT_CA)
        return true;
    if (auth_certificate_name(client, name, sizeof name) && auth_name_fits(client, name))
        return true;
    auth_failed(client, "certificate", "the certificate's name is not the user's");
    return false;
}

static void refuse_unlisted(struct client *client)
{
    char peer[ADDRESS_TEXT_BYTES];
    struct fault fault;

    address_print(&client->peer, peer, sizeof peer);
    fault_set(&fault, "28000",
              "no line of the gateway's auth_hba_file lets %s in: user \"%s\", database \"%s\", %s", peer,
              client->identity.user, client->identity.database,
              client->stream.tls == NULL ? "no encryption" : "TLS");
    client_refuse(client, &fault);
}

static void decide(struct client *client)
{
    struct login *login = client->login;
    const struct hba_question question = {
        .database = client->identity.database,
        .user = client->identity.user,
        .replication = login->startup.replication == REPLICATION_PHYSICAL,
        .tls = client->stream.tls != NULL,
        .address = &client->peer.any,
        .members = {.ask = member, .context = client},
    };
    const struct hba_rule *rule = hba_match(client->generation->access.hba, &question);

    if (rule == NULL) {
        refuse_unlisted(client);
        return;
    }
    log_debug(client->worker->thread.who, "client=%llu is let in or not by %s:%d, %s",
              (unsigned long long)client->id, rule->file, rule->line, auth_type_name(rule->method));
    login->rule = rule;
    if (!certificate_suffices(client, rule))
        return;
    if (login->packet != NULL && rule->method != AUTH_REJECT) {
        direct_begin(client, login->packet, login->packet_bytes);
        return;
    }
    login->auth_type = rule->method;
    auth_driver(login->auth_type)->start(client);
}

static void hba_start(struct client *client)
{
    const struct access *access = &client->generation->access;

    if (hba_asks_members(access->hba) || (access->ident != NULL && ident_asks_members(access->ident)))
        secrets_find_roles(client, decide);
    else
        decide(client);
}

const struct auth_driver auth_hba = {.start = hba_start, .answer = auth_no_answer, .end = auth_no_end};
