/* SPDX-License-Identifier: PostgreSQL
 * policy - what a route does about session state: which statements it refuses, how many sessions may be
 * pinned to a server at once; and the sight of them. */
#include "gateway/policy.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/fault.h"
#include "gateway/base/log.h"
#include "gateway/base/table.h"
#include "gateway/client.h"
#include "gateway/gateway.h"
#include "gateway/relay.h"
#include "gateway/relay_examine.h"
#include "gateway/reply.h"
#include "gateway/session/owed.h"
#include "gateway/session/redact.h"
#include "gateway/session/statement.h"
#include "gateway/session/suspicion.h"
#include "gateway/wire/write.h"
#include "gateway/worker.h"
#include "router/route.h"

/* In struct owed: not the kind is refused, but one session more. */
#define REFUSED_BY_LIMIT PIN_BIT(NONE)
/* Nor is this a matter of policy: nobody has the answer. */
#define REFUSED_AS_LOST (1u << PIN_REASONS)

/* These sessions have a server of their own anyway: what they leave in it concerns nobody. */
static const uint32_t own_server = PIN_BIT(DEDICATED) | PIN_BIT(SESSION_MODE);

/* These travel with the session: it needs no server for them; of ANYTHING only PostgreSQL's answer tells. */
static const uint32_t virtual = PIN_BIT(SETTING) | PIN_BIT(LISTEN) | PIN_BIT(ANYTHING);

/* Taken before it is known whether the state will exist, so that those who ask at the same time do not pass
 * the limit together. limit 0: none. */
static bool place_take(struct client *client, int limit)
{
    int taken = atomic_load(&client->pool->pin_places);

    if (client->pin_place)
        return true;
    do {
        if (limit > 0 && taken >= limit)
            return false;
    } while (!atomic_compare_exchange_weak(&client->pool->pin_places, &taken, taken + 1));
    client->pin_place = true;
    return true;
}

/* Where a setting of this client's route is to be written. */
static void where_to_set(const struct client *client, char *text, size_t room)
{
    const struct route_options *route = client->verdict.route;

    if (route_is_builtin(route))
        snprintf(text, room, "in defaults");
    else
        snprintf(text, room, "for route \"%s\"", route->name);
}

static const char *first_policy(uint32_t pins)
{
    enum pin_reason reason = PIN_NONE;

    while (reason < PIN_REASONS - 1 && (pins & 1u << reason) == 0)
        reason++;
    return pin_reason_policy(reason);
}

static void fault_of(const struct client *client, uint32_t refused, struct fault *fault)
{
    char reasons[256], where[96];
    const char *names = pins_print(refused & ~REFUSED_BY_LIMIT, reasons, sizeof reasons);

    if (refused == REFUSED_AS_LOST) {
        fault_set(fault, "55000",
                  "currval and lastval of an earlier transaction are not known any more on a pooled port");
        fault_hint(fault,
                   "Ask in the transaction of the nextval, use INSERT ... RETURNING, or a route with "
                   "mode = \"session\". From now on sessions of this pool that write keep their server "
                   "connection.");
        return;
    }
    where_to_set(client, where, sizeof where);
    if ((refused & REFUSED_BY_LIMIT) != 0) {
        fault_set(fault, "53400",
                  "max_pinned: as many sessions as route \"%s\" allows keep their server connection, and "
                  "this statement may need one more to do so (%s)",
                  client->verdict.route->name, names);
        fault_hint(fault, "SHOW PINS on the console names them. Try again when one is done, raise max_pinned "
                   "%s, or connect to the direct port.", where);
        return;
    }
    fault_set(fault, "0A000", "session_state of route \"%s\" refuses this statement: %s",
              client->verdict.route->name, names);
    fault_hint(fault, "Set session_state = { %s = \"pin\"; } %s, or connect to the direct port.",
               first_policy(refused), where);
}

void policy_tell(struct client *client, uint32_t refused)
{
    struct fault fault;

    fault_of(client, refused, &fault);
    reply_error(client, "ERROR", &fault);
}

/* Where a server is linked, answers may be owed and a transaction may be open, which this error has to abort:
 * so the server is sent what it will surely refuse. It has a name where the client's statement has one, since
 * a failed Parse without a name forgets the unnamed statement. */
static void send_stand_in(struct client *client, const struct message *message, uint32_t refused)
{
    static const char text[] = "pgsluice: refused by session_state or max_pinned";
    struct owed owed = {.kind = OWED_QUERY, .refused = refused};
    struct server *server = client->server;
    unsigned char bytes[128];
    struct builder builder;

    builder_init(&builder, bytes, sizeof bytes);
    if (message->frame.type == 'Q') {
        unnamed_forget(&client->unnamed);
        server->session->unnamed_of = 0;
        client->relay.unsynced = false;
        write_query(&builder, text);
    } else {
        owed.kind = OWED_PARSE;
        owed.prepares = message->frame.type == 'P' && message->bytes[FRAME_HEADER_BYTES] == '\0';
        owed.number = client->unnamed.number;
        client->relay.unsynced = true;
        builder_begin(&builder, 'P');
        builder_string(&builder, owed.prepares ? "" : "pgsluice refuses");
        builder_string(&builder, text);
        builder_u16(&builder, 0);
        builder_end(&builder);
    }
    stream_send(&server->stream, builder.bytes, builder.used);
    if (relay_owe(client, &owed)) {
        client->relay.passing = message->frame.size - message->available;
        client->relay.discard = true;
    }
}

void policy_refuse_lost(struct client *client, const struct message *message)
{
    send_stand_in(client, message, REFUSED_AS_LOST);
}

static bool refuse(struct client *client, const struct message *message, uint32_t refused)
{
    struct fault fault;

    atomic_fetch_add_explicit(&client->pool->refusals, 1, memory_order_relaxed);
    atomic_fetch_add_explicit((refused & REFUSED_BY_LIMIT) != 0
                                  ? &client->worker->gateway->counters.max_pinned_reached
                                  : &client->worker->gateway->counters.states_refused,
                              1, memory_order_relaxed);
    if (client->server != NULL) {
        send_stand_in(client, message, refused);
        return false;
    }
    fault_of(client, refused, &fault);
    return relay_refuse(client, message, &fault);
}

/* RESET and DISCARD ALL have nothing to undo where nothing can be set. */
static uint32_t refused_of(const struct statement_facts *facts, const struct pool_options *options)
{
    uint32_t refused = facts->suspects & options->session_state.refused;

    return facts->settings_reset && !facts->many ? refused & ~PIN_BIT(SETTING) : refused;
}

bool policy_admits(struct client *client, const struct message *message, struct statement_facts *facts)
{
    const struct pool_options *options = pool_options(client->pool);
    uint32_t refused;

    if ((client->pins & own_server) != 0)
        return true;
    facts->suspects &= ~options->session_state.allowed;
    if (facts->suspects != 0) {
        refused = refused_of(facts, options);
        if (refused != 0)
            return refuse(client, message, refused);
        if ((facts->suspects & ~virtual) != 0 && !place_take(client, options->max_pinned))
            return refuse(client, message, (facts->suspects & ~virtual) | REFUSED_BY_LIMIT);
    }
    if (options->isolation == ISOLATION_STRICT)
        facts->suspects |= PIN_BIT(ANYTHING);
    return true;
}

void policy_statement(const struct client *client, char *text, size_t room)
{
    const char *statement = client->suspicion == NULL ? "" : client->suspicion->pinned_text;

    if (client->relay.opaque_encoding)
        statement = "";
    statement_redact(statement, strlen(statement), !client->relay.plain_backslashes, text, room);
}

static const char *application_of(const struct client *client)
{
    const char *name = client->identity.application_name;

    return name == NULL || *name == '\0' ? client->identity.user : name;
}

/* One line for an application, pool and reason, ever. */
static void log_first(struct client *client, enum pin_reason reason)
{
    const struct pool *pool = client->pool;
    const char *const parts[] = {pool->database, pool->user, pool->route, application_of(client)};
    char statement[SUSPECT_TEXT_BYTES + 1];
    uint64_t hash = (uint64_t)reason;
    enum first_pin first;

    if (!log_enabled(LOG_INFO))
        return;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        hash = table_hash(parts[i], strlen(parts[i]), hash);
    first = first_pins_add(&client->worker->gateway->first_pins, hash);
    policy_statement(client, statement, sizeof statement);
    if (first == FIRST_PIN_NEW)
        log_info(client->worker->thread.who,
                 "client=%llu pinned application=\"%s\" user=%s database=%s route=%s reason=\"%s\" "
                 "statement=\"%s\" first=yes",
                 (unsigned long long)client->id, application_of(client), pool->user, pool->database,
                 pool->route, pin_reason_name(reason), statement);
    else if (first == FIRST_PIN_LAST)
        log_info(client->worker->thread.who,
                 "%d pins of applications were named here; further ones are in SHOW PINS and SHOW PIN_STATS",
                 FIRST_PINS_MAX);
}

static void count_pinned(struct client *client)
{
    struct pool *pool = client->pool;
    int peak = atomic_load(&pool->pinned_peak), pinned = atomic_fetch_add(&pool->pinned, 1) + 1;

    while (pinned > peak && !atomic_compare_exchange_weak(&pool->pinned_peak, &peak, pinned))
        continue;
    atomic_fetch_add_explicit(&pool->pinnings, 1, memory_order_relaxed);
    client->pinned_us = client->worker->thread.now_us;
    (void)place_take(client, 0);
}

void policy_pinned(struct client *client, uint32_t fresh_pins)
{
    if (client->pool == NULL || (client->pins & own_server) != 0)
        return;
    if (client->pinned_us == 0)
        count_pinned(client);
    for (enum pin_reason reason = PIN_NONE + 1; reason < PIN_REASONS; reason++) {
        if ((fresh_pins & 1u << reason) == 0)
            continue;
        atomic_fetch_add_explicit(&client->pool->pins[reason], 1, memory_order_relaxed);
        log_first(client, reason);
    }
}

void policy_unpinned(struct client *client)
{
    if (client->pinned_us != 0)
        atomic_fetch_sub(&client->pool->pinned, 1);
    if (client->pin_place)
        atomic_fetch_sub(&client->pool->pin_places, 1);
    client->pinned_us = 0;
    client->pin_place = false;
}
