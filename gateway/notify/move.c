/* SPDX-License-Identifier: PostgreSQL
 * move - what a client's server listens to becomes the hub's to listen to, by PostgreSQL's word, without a
 * gap and without a double. Both connections read the same queue of notifications: once server and hub
 * listen, the hub notifies a channel of its own that both hear. Up to that mark the client gets what its
 * server says, behind it what the hub says. */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/random.h"
#include "gateway/gateway.h"
#include "gateway/notify/ear.h"
#include "gateway/notify/listening.h"
#include "gateway/notify/notify.h"
#include "gateway/session/owed.h"
#include "gateway/session/statement.h"
#include "gateway/wire/fields.h"
#include "gateway/wire/frame.h"
#include "gateway/worker.h"

/* A query of ours on the client's server: its answers are swallowed. */
static bool say(struct listening *listening, const char *sql, size_t length, enum notify_query which)
{
    const struct owed owed = {.kind = OWED_QUERY, .ours = true, .listens = (uint8_t)which};
    struct server *server = listening->client->server;
    uint32_t size = (uint32_t)length + 5;
    const unsigned char header[] = {'Q', (unsigned char)(size >> 24), (unsigned char)(size >> 16),
                                    (unsigned char)(size >> 8), (unsigned char)size};

    stream_send(&server->stream, header, sizeof header);
    stream_send(&server->stream, sql, length);
    stream_send(&server->stream, "", 1);
    server->session->unnamed_of = 0;
    return relay_owe(listening->client, &owed);
}

bool move_ask(struct listening *listening)
{
    static const char question[] = "SELECT pg_catalog.pg_listening_channels()";

    listening->suspected = false;
    listening->asked_replayed = listening->replayed;
    listening->answer.count = 0;
    listening->answer.cut = false;
    listening->step = MOVE_ASKING;
    return say(listening, question, sizeof question - 1, NOTIFY_ASK);
}

/* The server becomes what the client believes it to be. */
static bool replay(struct listening *listening)
{
    char *text = malloc(listening->subscriptions.count * LISTEN_TEXT_BYTES), *end = text;
    bool sent;

    if (text == NULL) {
        client_close(listening->client, REASON_MEMORY, NULL);
        return false;
    }
    list_each(link, following, &listening->all)
        end = listen_text_add(end, "LISTEN", list_entry(link, struct subscription, in_client)->channel->name,
                              false);
    listening->replayed = listening->server_listens = true;
    sent = say(listening, text, (size_t)(end - text), NOTIFY_REPLAY);
    free(text);
    return sent;
}

static bool only_ours_owed(struct owed_ring *ring)
{
    for (uint32_t i = 0; i < ring->count; i++)
        if (!owed_at(ring, i)->ours)
            return false;
    return true;
}

/* A block may hold anything; so may what cannot be seen through. */
static bool may_depend(const struct statement_facts *facts)
{
    return facts->transaction_block || facts->listens || facts->asks_listening ||
           (facts->suspects & (PIN_BIT(LISTEN) | PIN_BIT(ANYTHING))) != 0;
}

/* The server listens to something of ours, or to what was not asked for yet. */
static bool is_unsettled(const struct listening *listening)
{
    return !listening->stays && (listening->step != MOVE_NONE || listening->suspected ||
                                 (listening->server_listens && !listening->replayed));
}

bool notify_before(struct client *client, const struct statement_facts *facts, enum step *step)
{
    struct listening *listening = client->listening;
    struct server *server = client->server;

    if (listening == NULL || (!may_depend(facts) && !facts->notifies) || client->relay.unsynced)
        return false;
    *step = STEP_WAIT;
    if (!only_ours_owed(&server->session->owed)) {
        relay_barrier(client);
        return true;
    }
    if (server->status != 'I' || !may_depend(facts))
        return false;
    if (is_unsettled(listening)) {
        listening->waits = true;
        return true;
    }
    *step = STEP_ENDED;
    return listening->subscriptions.count > 0 && !listening->replayed && !replay(listening);
}

/* The text that a Bind is about, as far as it is known here. */
static bool bound_text(struct client *client, const struct message *message, struct parse_fields *parse)
{
    struct bind_fields bind;
    struct prepared_name *name;

    if (!fields_bind(message->bytes + FRAME_HEADER_BYTES, message->available - FRAME_HEADER_BYTES, &bind))
        return false;
    if (*bind.statement == '\0') /* its body begins with the empty name */
        return client->unnamed.known && fields_parse(client->unnamed.body, client->unnamed.bytes, parse);
    name = names_find(&client->names, bind.statement);
    if (name == NULL)
        return false;
    parse->query = (const char *)name->statement->bytes;
    parse->query_length = strnlen(parse->query, name->statement->query_bytes);
    return true;
}

bool notify_before_bind(struct client *client, const struct message *message, enum step *step)
{
    struct parse_fields parse;
    struct statement_facts facts;

    if (client->listening == NULL || !bound_text(client, message, &parse))
        return false;
    statement_classify(parse.query, parse.query_length, !client->relay.plain_backslashes, NULL, &facts);
    if (notify_before(client, &facts, step))
        return true;
    notify_after(client, &facts);
    return false;
}

static bool answer_room(struct answer_list *answer)
{
    size_t room = answer->room == 0 ? 16 : 2 * answer->room;
    char(*wider)[CHANNEL_BYTES];

    if (answer->count < answer->room)
        return true;
    wider = realloc(answer->names, room * sizeof *wider);
    if (wider == NULL)
        return false;
    answer->names = wider;
    answer->room = room;
    return true;
}

void notify_row(struct server *server, const unsigned char *body, size_t size)
{
    struct owed *head = owed_head(&server->session->owed);
    struct client *client = server->client;
    struct answer_list *answer;
    struct reader reader;
    const char *name;
    size_t length;

    if (head->listens != NOTIFY_ASK || client == NULL || client->listening == NULL)
        return;
    answer = &client->listening->answer;
    reader_init(&reader, body, size);
    (void)reader_u16(&reader);
    length = reader_u32(&reader);
    name = reader_bytes(&reader, length);
    if (name == NULL || length >= CHANNEL_BYTES ||
        answer->count >= (size_t)client->generation->snapshot->max_listen_channels || !answer_room(answer)) {
        answer->cut = true;
        return;
    }
    memcpy(answer->names[answer->count], name, length);
    answer->names[answer->count++][length] = '\0';
}

void notify_failed(struct server *server)
{
    const struct owed *head = owed_head(&server->session->owed);
    struct client *client = server->client;

    if (head->listens == NOTIFY_ASK && client != NULL && client->listening != NULL)
        client->listening->answer.cut = true;
}

/* From now on the client keeps its server. */
static void stay(struct listening *listening)
{
    bool marked = listening->step >= MOVE_MARKING;
    char text[LISTEN_TEXT_BYTES], *end;

    listening->stays = true;
    listening->step = MOVE_NONE;
    relay_pin(listening->client, PIN_LISTEN);
    if (!marked)
        return;
    end = listen_text_add(text, "UNLISTEN", listening->ear->hub->marker, true);
    (void)say(listening, text, (size_t)(end - text), NOTIFY_REPLAY);
}

/* What is on the list and not subscribed is put in front of it; the rest is marked. Returns how many. */
static size_t sort_answer(struct listening *listening)
{
    struct answer_list *answer = &listening->answer;
    size_t fresh = 0;

    for (size_t i = 0; i < answer->count; i++) {
        struct subscription *known = listening_find(listening, answer->names[i]);

        if (known != NULL)
            known->kept = true;
        else if (strcmp(answer->names[i], listening->ear->hub->marker) != 0)
            memmove(answer->names[fresh++], answer->names[i], CHANNEL_BYTES);
    }
    return fresh;
}

static void forget_missing(struct listening *listening)
{
    list_each(link, following, &listening->all) {
        struct subscription *subscription = list_entry(link, struct subscription, in_client);
        bool kept = subscription->kept;

        subscription->kept = false;
        if (!kept && listening->asked_replayed)
            listening_forget(listening, subscription);
    }
}

static void listening_unpin(struct listening *listening)
{
    listening->client->pins &= ~PIN_BIT(LISTEN);
    listening->stays = false;
}

static void answered(struct listening *listening)
{
    char text[LISTEN_TEXT_BYTES], *end;
    size_t limit = (size_t)listening->client->generation->snapshot->max_listen_channels;
    bool any = listening->answer.count > 0, stays = listening->stays;
    size_t fresh;

    fresh = sort_answer(listening);
    forget_missing(listening);
    listening->step = MOVE_NONE;
    listening->answer.count = fresh;
    listening->server_listens = listening->server_listens || any;
    if (listening->answer.cut || fresh + listening->subscriptions.count > limit || (stays && fresh > 0)) {
        stay(listening);
        return;
    }
    if (stays)
        listening_unpin(listening);
    if (fresh == 0)
        return;
    listening->step = MOVE_MARKING;
    end = listen_text_add(text, "LISTEN", listening->ear->hub->marker, true);
    (void)say(listening, text, (size_t)(end - text), NOTIFY_MARK);
}

static void go(struct listening *listening)
{
    struct answer_list *answer = &listening->answer;
    struct errand *errand = errand_new(listening->ear->hub, listening->client, ERRAND_MOVE, answer->count);

    if (errand != NULL) {
        random_fill(&errand->number, sizeof errand->number);
        memcpy(errand->channels, answer->names, answer->count * CHANNEL_BYTES);
    }
    listening->move_number = errand == NULL ? 0 : errand->number;
    if (errand == NULL || !ear_send(listening->ear, errand)) {
        stay(listening);
        return;
    }
    listening->errand = errand;
    listening->step = MOVE_GOING;
    listening->here_marked = listening->hub_marked = false;
    listening->ahead = listening->queued;
}

static bool ended_both(struct listening *listening)
{
    if (!listening->here_marked || !listening->hub_marked)
        return false;
    listening->step = MOVE_NONE;
    return true;
}

void move_hub_answered(struct listening *listening, bool done)
{
    struct client *client = listening->client;

    if (!done) {
        stay(listening);
        if (client->server != NULL)
            relay_settle(client->server);
        return;
    }
    listening->hub_marked = true;
    if (ended_both(listening))
        relay_settle(client->server);
}

static bool is_moving(const struct listening *listening, const char *channel)
{
    for (size_t i = 0; listening->step == MOVE_GOING && i < listening->answer.count; i++)
        if (strcmp(listening->answer.names[i], channel) == 0)
            return true;
    return false;
}

bool notify_from_server(struct server *server, const unsigned char *body, size_t size)
{
    struct client *client = server->client;
    struct listening *listening = client == NULL ? NULL : client->listening;
    struct reader reader;
    const char *channel, *payload;

    if (listening == NULL)
        return true;
    reader_init(&reader, body, size);
    (void)reader_u32(&reader);
    channel = reader_string(&reader);
    payload = reader_string(&reader);
    if (strcmp(channel, listening->ear->hub->marker) == 0) {
        if (listening->step == MOVE_GOING && strtoull(payload, NULL, 10) == listening->move_number) {
            listening->here_marked = true;
            (void)ended_both(listening);
        }
        return false;
    }
    if (is_moving(listening, channel) ? !listening->here_marked : listening_find(listening, channel) == NULL)
        listening_pass_on(listening, body - FRAME_HEADER_BYTES, size + FRAME_HEADER_BYTES);
    return false;
}

void notify_ready(struct server *server, enum notify_query which)
{
    struct client *client = server->client;
    struct listening *listening = client == NULL ? NULL : client->listening;

    if (listening == NULL)
        return;
    if (which == NOTIFY_HELD) {
        listening_ready_next(listening);
    } else if (which == NOTIFY_ASK && listening->step == MOVE_ASKING) {
        answered(listening);
        if (client->listening == listening && client->relay.held)
            listening_ready_next(listening);
    } else if (which == NOTIFY_MARK && listening->step == MOVE_MARKING) {
        go(listening);
    }
}

bool move_settle(struct listening *listening)
{
    if (listening->step != MOVE_NONE)
        return true;
    if (listening->suspected) {
        (void)move_ask(listening);
        return true;
    }
    if (!listening->server_listens || listening->stays)
        return false;
    listening->server_listens = listening->replayed = false;
    (void)say(listening, "UNLISTEN *", strlen("UNLISTEN *"), NOTIFY_CLEAN);
    return true;
}
