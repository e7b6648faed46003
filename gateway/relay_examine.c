/* SPDX-License-Identifier: PostgreSQL
 * relay_examine - what is decided by a statement's text before it is sent. */
#include "gateway/relay_examine.h"

#include <string.h>
#include <strings.h>

#include "gateway/base/fault.h"
#include "gateway/base/log.h"
#include "gateway/catalog.h"
#include "gateway/client.h"
#include "gateway/gateway.h"
#include "gateway/policy.h"
#include "gateway/relay.h"
#include "gateway/relay_names.h"
#include "gateway/relay_sequence.h"
#include "gateway/relay_state.h"
#include "gateway/reply.h"
#include "gateway/wire/fields.h"
#include "gateway/worker.h"

bool relay_refuse(struct client *client, const struct message *message, const struct fault *fault)
{
    reply_error(client, "ERROR", fault);
    if (message->frame.type == 'Q')
        reply_ready(client, 'I');
    else
        client->relay.skip_to_sync = true;
    client->relay.passing = message->frame.size - message->available;
    client->relay.discard = true;
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
        return relay_refuse(client, message, &fault);
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

/* The first statements of a session tell tools from applications; a backup or snapshot function does at any
 * time. Both are looked at before a server is touched. */
static bool examine_opening(struct client *client, const struct message *message, const char *text,
                            size_t length, const struct statement_facts *facts)
{
    if (client->server != NULL || (client->pins & PIN_BIT(DEDICATED)) != 0)
        return true;
    if (client->first.opening == OPENING_UNDECIDED &&
        first_statements_see(&client->first, text, length) == OPENING_TOOL)
        return dedicate(client, message, client->first.class, client->first.why);
    for (enum pin_reason reason = PIN_BACKUP; reason <= PIN_SLOT; reason++)
        if ((facts->suspects & 1u << reason) != 0)
            return dedicate(client, message, CLASS_BACKUP, pin_reason_name(reason));
    return true;
}

/* SET of one setting reads none: a server on which only that one was ever set will do. */
static const char *only_set(struct client *client, const struct statement_facts *facts, const char *text,
                            size_t length)
{
    if (client->server != NULL || facts->many || facts->settings_all || facts->settings.count != 1 ||
        length < 4 || strncasecmp(text, "set ", 4) != 0)
        return NULL;
    return state_about_to_set(client, facts->settings.names[0]);
}

static bool examine_mode(struct client *client, const struct message *message,
                         const struct statement_facts *facts)
{
    struct fault fault;

    if (client->verdict.mode != MODE_STATEMENT || !facts->transaction_block)
        return true;
    fault_set(&fault, "0A000",
              "transaction blocks are not allowed on route \"%s\": its mode is \"statement\"",
              client->verdict.route->name);
    fault_hint(&fault, "Send single statements, or set mode = \"transaction\" for this route.");
    return relay_refuse(client, message, &fault);
}

bool relay_examine(struct client *client, const struct message *message, const char *text, size_t length,
                   struct statement_facts *facts)
{
    bool again = client->relay.examined; /* the message had to wait for a server */

    catalog_classify(client->shard, text, length, !client->relay.plain_backslashes, facts);
    client->relay.examined = false;
    if (!again &&
        (!examine_mode(client, message, facts) || !examine_opening(client, message, text, length, facts)))
        return false;
    if (!policy_admits(client, message, facts))
        return false;
    if (!again && client->server == NULL && (client->pins & PIN_BIT(DEDICATED)) == 0 &&
        (facts->suspects & PIN_BIT(SEQUENCE)) != 0)
        sequence_choose(client, facts);
    client->waiter.sets = facts->suspects == PIN_BIT(SETTING) ? only_set(client, facts, text, length) : NULL;
    client->waiter.named = facts->asks_settings;
    client->relay.examined = true;
    return true;
}

/* What stands at the parameter's place is the name of the setting, when it can be read. */
static void name_setting(struct statement_facts *facts, const struct bind_fields *bind)
{
    struct bind_parameter parameter;
    char *name = facts->settings.names[facts->settings.count % STATEMENT_SETTINGS];

    if (fields_bind_parameter(bind, facts->setting_parameter, &parameter) && parameter.is_null)
        return; /* set_config refuses that */
    if (parameter.bytes == NULL || !parameter.is_text || parameter.length >= SETTING_NAME_BYTES ||
        memchr(parameter.bytes, '\0', parameter.length) != NULL ||
        facts->settings.count == STATEMENT_SETTINGS) {
        facts->settings_all = true;
        facts->suspects |= PIN_BIT(UNKNOWN_SETTING);
        return;
    }
    for (size_t i = 0; i < parameter.length; i++) {
        unsigned char c = parameter.bytes[i];

        name[i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
    }
    name[parameter.length] = '\0';
    facts->settings.count++;
}

enum step relay_examine_bound(struct client *client, const struct message *message,
                              const struct bind_fields *bind, const struct statement_facts *kept,
                              const char *text, bool *refused)
{
    struct statement_facts facts = *kept;
    size_t length = strlen(text);
    enum step step;

    *refused = !policy_admits(client, message, &facts);
    if (*refused)
        return STEP_TAKEN;
    step = sequence_before(client, message, &facts, text, length, refused);
    if (step != STEP_TAKEN || *refused)
        return step;
    step = relay_names_before(client, &facts, text, length, NAMES_BIND);
    if (step != STEP_TAKEN)
        return step;
    relay_names_bound(client, bind->portal, &facts);
    if (facts.setting_parameter != 0)
        name_setting(&facts, bind);
    return state_suspect(client, &facts, text, length) ? STEP_TAKEN : STEP_ENDED;
}
