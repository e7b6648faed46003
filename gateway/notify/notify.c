/* SPDX-License-Identifier: PostgreSQL
 * notify - LISTEN on pooled ports, as the relay sees it: plain statements that are answered here, and what
 * the end of a transaction waits for. */
#include "gateway/notify/notify.h"

#include <string.h>

#include "gateway/base/fault.h"
#include "gateway/gateway.h"
#include "gateway/notify/ear.h"
#include "gateway/notify/listening.h"
#include "gateway/reply.h"
#include "gateway/session/owed.h"
#include "gateway/session/statement.h"
#include "gateway/wire/write.h"
#include "gateway/worker.h"

static enum step answer(struct client *client, const char *tag)
{
    unsigned char message[64];
    struct builder builder;

    builder_init(&builder, message, sizeof message);
    write_command_complete(&builder, tag);
    write_ready(&builder, 'I');
    stream_send(&client->stream, builder.bytes, builder.used);
    client->relay.examined = false;
    unnamed_forget(&client->unnamed);
    client->queries++;
    if (client->listening != NULL)
        listening_idle(client->listening);
    return STEP_TAKEN;
}

static enum step refuse(struct client *client, int limit)
{
    struct fault fault;

    fault_set(&fault, "54000", "max_listen_channels: this session listens to %d channels already", limit);
    fault_hint(&fault, "UNLISTEN some, raise max_listen_channels, or tell events apart by their payload.");
    reply_error(client, "ERROR", &fault);
    reply_ready(client, 'I');
    client->relay.examined = false;
    return STEP_TAKEN;
}

static enum step ask_hub(struct client *client, const struct listen_text *text)
{
    struct listening *listening = listening_of(client);
    int limit = client->generation->snapshot->max_listen_channels;
    struct errand *errand;

    if (listening != NULL && listening->subscriptions.count >= (size_t)limit &&
        listening_find(listening, text->channel) == NULL)
        return refuse(client, limit);
    errand = listening == NULL ? NULL : errand_new(listening->ear->hub, client, ERRAND_LISTEN, 1);
    if (errand != NULL) {
        errand->bare = !text->quoted;
        memcpy(errand->channels[0], text->channel, CHANNEL_BYTES);
    }
    if (errand == NULL || !ear_send(listening->ear, errand)) {
        client_close(client, REASON_MEMORY, NULL);
        return STEP_ENDED;
    }
    listening->errand = errand;
    listening->stage = STAGE_ASKED;
    return STEP_WAIT;
}

/* Outside of a transaction, and its server, if it has one, listens to nothing. */
static bool may_answer(const struct client *client)
{
    const struct listening *listening = client->listening;

    if (!listening_is_possible(client) || client->relay.unsynced ||
        (client->server != NULL && client->server->status != 'I'))
        return false;
    return listening == NULL || (!listening->stays && !listening->server_listens && !listening->suspected &&
                                 listening->step == MOVE_NONE);
}

static bool plain_statement(struct client *client, const char *text, size_t length, enum step *step)
{
    struct listening *listening = client->listening;
    struct listen_text read;

    listen_text_read(text, length, &read);
    if (read.kind == LISTEN_OTHER)
        return false;
    if (client->server != NULL && client->server->session->owed.count > 0) {
        relay_barrier(client);
        *step = STEP_WAIT;
        return true;
    }
    if (!may_answer(client))
        return false;
    if (read.kind == LISTEN_ADD) {
        *step = ask_hub(client, &read);
        return true;
    }
    if (read.kind == LISTEN_REMOVE && (listening == NULL || listening_find(listening, read.channel) == NULL))
        return false; /* perhaps no name at all: PostgreSQL knows */
    if (listening != NULL && read.kind == LISTEN_REMOVE)
        listening_forget(listening, listening_find(listening, read.channel));
    else if (listening != NULL)
        listening_forget_all(listening);
    *step = answer(client, "UNLISTEN");
    return true;
}

bool notify_query(struct client *client, const char *text, size_t length, enum step *step)
{
    enum listen_stage stage = client->listening == NULL ? STAGE_NONE : client->listening->stage;

    if (stage == STAGE_ASKED) {
        *step = STEP_WAIT;
        return true;
    }
    if (stage != STAGE_NONE)
        client->listening->stage = STAGE_NONE;
    if (stage == STAGE_DONE)
        *step = answer(client, "LISTEN");
    if (stage == STAGE_NOT_HERE) /* PostgreSQL says why, or listens on the client's own server */
        return false;
    return stage == STAGE_DONE || plain_statement(client, text, length, step);
}

bool notify_suspect(struct client *client)
{
    struct listening *listening = listening_of(client);

    if (listening == NULL)
        return false;
    listening->suspected = listening->server_listens = true;
    return true;
}

void notify_after(struct client *client, const struct statement_facts *facts)
{
    struct listening *listening = client->listening;
    bool unseen = (facts->suspects & (PIN_BIT(LISTEN) | PIN_BIT(ANYTHING))) != 0;

    if (listening == NULL)
        return;
    listening->notified = listening->notified || facts->notifies || unseen;
    if (unseen && listening_is_possible(client))
        listening->suspected = listening->server_listens = true;
}

void notify_discard(struct client *client)
{
    struct listening *listening = client->listening;

    if (listening == NULL)
        return;
    listening_forget_all(listening);
    if (listening->errand != NULL)
        listening->errand->client = NULL;
    listening->errand = NULL;
    listening->step = MOVE_NONE;
    listening->suspected = listening->server_listens = listening->replayed = listening->stays = false;
}

static bool must_hold(const struct listening *listening, const struct server *server)
{
    if (listening_has_queued(listening))
        return true;
    if (listening->notified && (listening->subscriptions.count > 0 || listening->step == MOVE_GOING))
        return true;
    return (listening->suspected || listening->step != MOVE_NONE) && !listening->stays &&
           server->session->owed.count == 0;
}

bool notify_holds(struct server *server)
{
    struct client *client = server->client;
    struct listening *listening = client->listening;

    if (listening == NULL)
        return false;
    if (!must_hold(listening, server)) {
        listening->notified = false;
        return false;
    }
    listening->own_pid = server->backend_pid;
    client->relay.held = true;
    return true;
}

bool notify_is_alone(const struct client *client)
{
    return client->listening != NULL && client->listening->notified;
}

bool notify_stops(const struct server *server)
{
    const struct client *client = server->client;

    return client != NULL && client->relay.held && client->listening->fence != NULL;
}

bool notify_settled(struct client *client)
{
    struct listening *listening = client->listening;

    if (listening == NULL)
        return true;
    listening_idle(listening);
    if (move_settle(listening))
        return false;
    if (client->relay.held && listening->fence == NULL)
        listening_ready_next(listening);
    if (listening->waits)
        stream_resume(&client->stream);
    listening->waits = false;
    return true;
}

bool notify_keeps(const struct client *client)
{
    const struct listening *listening = client->listening;

    return listening != NULL && (listening->server_listens || listening->step != MOVE_NONE);
}
