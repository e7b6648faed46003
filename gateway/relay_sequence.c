/* SPDX-License-Identifier: PostgreSQL
 * relay_sequence - currval and lastval on shared servers. Nothing is asked of PostgreSQL for those who only
 * draw, or ask in the same transaction; from the first question about an earlier one on, sessions of that
 * pool that draw keep their server, and get clean ones. */
#include "gateway/relay_sequence.h"

#include "gateway/client.h"
#include "gateway/policy.h"
#include "gateway/relay_place.h"
#include "gateway/session/owed.h"
#include "gateway/session/statement.h"

static bool is_asked_for(const struct client *client)
{
    return (pool_options(client->pool)->session_state.asked & PIN_BIT(SEQUENCE)) != 0 ||
           atomic_load_explicit(&client->pool->asks_sequences, memory_order_relaxed);
}

/* What may have drawn does not take the server's state over from who surely drew. */
void sequence_drew(struct client *client, bool surely)
{
    struct server *server = client->server;

    client->sequence_server = server->id;
    client->relay.drew_now = true;
    if (surely || server->sequence_user == 0)
        server->sequence_user = client->id;
    if (is_asked_for(client))
        relay_pin(client, PIN_SEQUENCE);
}

void sequence_discarded(struct client *client)
{
    client->pins &= ~PIN_BIT(SEQUENCE);
    client->sequence_server = 0;
    if (client->server != NULL)
        client->server->sequence_user = 0;
}

/* What was drawn in the same transaction is on its server anyway. */
static bool is_about_now(const struct client *client, const struct statement_facts *facts)
{
    return client->relay.drew_now || facts->draws;
}

static void note_question(struct client *client, const struct statement_facts *facts)
{
    if (client->sequence_server != 0 && !is_about_now(client, facts))
        atomic_store_explicit(&client->pool->asks_sequences, true, memory_order_relaxed);
}

void sequence_choose(struct client *client, const struct statement_facts *facts)
{
    note_question(client, facts);
    if (client->sequence_server != 0 &&
        pool_has_sequence(client->shard, client->sequence_server, client->id))
        client->waiter.only = client->sequence_server;
}

/* Whether currval or lastval is called for certain: not where a table that is used, or one that is only made,
 * has it in a default that may go unused. */
static bool asks_itself(const struct client *client, const char *text, size_t length)
{
    struct statement_facts own;

    statement_classify(text, length, !client->relay.plain_backslashes, NULL, &own);
    return (own.suspects & PIN_BIT(SEQUENCE)) != 0 && !own.routines_change;
}

enum step sequence_before(struct client *client, const struct message *message,
                          struct statement_facts *facts, const char *text, size_t length, bool *refused)
{
    struct server *server = client->server;

    *refused = false;
    if ((facts->suspects & PIN_BIT(SEQUENCE)) == 0 || server->dedicated)
        return STEP_TAKEN;
    note_question(client, facts);
    if (is_about_now(client, facts))
        facts->suspects &= ~PIN_BIT(SEQUENCE);
    if (server->sequence_user == client->id ||
        (server->sequence_user == 0 && client->sequence_server == 0 && server->session->owed.count == 0))
        return STEP_TAKEN;
    if (server->session->owed.count > 0) {
        client->relay.reserved = true;
        relay_barrier(client); /* an INSERT may be among what is not answered yet */
        return STEP_WAIT;
    }
    if (server->status == 'E')
        return STEP_TAKEN;
    *refused = client->sequence_server != 0 && asks_itself(client, text, length);
    if (*refused) {
        policy_refuse_lost(client, message);
        return STEP_TAKEN;
    }
    server->sequence_user = 0;
    return place_aside(client, "DISCARD SEQUENCES") ? STEP_TAKEN : STEP_ENDED;
}
