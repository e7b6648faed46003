/* SPDX-License-Identifier: PostgreSQL
 * relay_examine - what is decided by a statement's text before it is sent. */
#include "gateway/relay_examine.h"

#include <string.h>

#include "gateway/base/fault.h"
#include "gateway/base/log.h"
#include "gateway/client.h"
#include "gateway/gateway.h"
#include "gateway/relay.h"
#include "gateway/reply.h"
#include "gateway/worker.h"

static bool refuse_statement(struct client *client, const struct message *message, const struct fault *fault)
{
    reply_error(client, "ERROR", fault);
    if (message->frame.type == 'Q')
        reply_ready(client, 'I');
    else
        client->relay.skip_to_sync = true;
    return false;
}

/* From here on the session has a server of its own that is closed afterwards. */
static bool dedicate(struct client *client, const struct message *message, enum class class, const char *why)
{
    struct fault fault;

    client->verdict.class = class;
    if (client->verdict.route->pool.on_wrong_port == ON_WRONG_PORT_WARN)
        return true;
    if (client->verdict.route->pool.on_wrong_port == ON_WRONG_PORT_REFUSE) {
        fault_set(&fault, "0A000", "a session of class \"%s\" was recognised on a pooled port (%s)",
                  class_name(class), why);
        fault_hint(&fault, "Connect to the direct port, or set on_wrong_port = \"move\" for route \"%s\".",
                   client->verdict.route->name);
        return refuse_statement(client, message, &fault);
    }
    strncpy(client->verdict.why, why, sizeof client->verdict.why - 1);
    relay_pin(client, PIN_DEDICATED);
    client->waiter.want = WANT_FRESH;
    client->waiter.uncounted = true;
    atomic_fetch_add(&client->worker->gateway->counters.sessions_moved, 1);
    log_info(client->worker->thread.who,
             "client=%llu class=%s route=%s mode=dedicated why=\"%s\" listener=%s",
             (unsigned long long)client->id, class_name(class), client->verdict.route->name, why,
             client->listener->name);
    return true;
}

/* Sequence state of an earlier transaction stayed on its server, and another server would tell another
 * client's. Before its first transaction a session has none: a fresh server says that in PostgreSQL's words.
 */
static bool examine_currval(struct client *client, const struct message *message)
{
    struct fault fault;

    if (client->transactions == 0) {
        client->waiter.want = WANT_FRESH;
        return true;
    }
    fault_set(&fault, "55000",
              "currval and lastval of an earlier transaction are not known on a pooled port");
    fault_hint(&fault, "Ask in the transaction of the nextval, use INSERT ... RETURNING, or a route with "
               "mode = \"session\".");
    return refuse_statement(client, message, &fault);
}

/* The first statements of a session tell tools from applications; a backup or snapshot function does at any
 * time. Both are looked at before a server is touched. */
static bool examine_opening(struct client *client, const struct message *message, const char *text,
                            size_t length, const struct statement_facts *facts)
{
    if (client->server != NULL || client->pin == PIN_DEDICATED)
        return true;
    if (client->first.opening == OPENING_UNDECIDED &&
        first_statements_see(&client->first, text, length) == OPENING_TOOL)
        return dedicate(client, message, client->first.class, client->first.why);
    if (facts->pin == PIN_BACKUP || facts->pin == PIN_SNAPSHOT || facts->pin == PIN_SLOT)
        return dedicate(client, message, CLASS_BACKUP, pin_reason_name(facts->pin));
    return facts->pin != PIN_CURRVAL || examine_currval(client, message);
}

bool relay_examine(struct client *client, const struct message *message, const char *text, size_t length,
                   struct statement_facts *facts)
{
    struct fault fault;

    statement_classify(text, length, !client->relay.plain_backslashes, facts);
    if (client->relay.examined)
        return true;
    if (client->verdict.mode == MODE_STATEMENT && facts->transaction_block) {
        fault_set(&fault, "0A000",
                  "transaction blocks are not allowed on route \"%s\": its mode is \"statement\"",
                  client->verdict.route->name);
        fault_hint(&fault, "Send single statements, or set mode = \"transaction\" for this route.");
        return refuse_statement(client, message, &fault);
    }
    if (!examine_opening(client, message, text, length, facts))
        return false;
    client->relay.examined = true;
    return true;
}
