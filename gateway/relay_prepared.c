/* SPDX-License-Identifier: PostgreSQL
 * relay_prepared - Parse, Bind, Describe and Close of clients that share servers.
 * A server never holds a statement under a client's name, so an unknown name is forwarded as it is and
 * PostgreSQL itself says what it says to any client, at the right place of the pipeline. */
#include "gateway/relay.h"

#include <string.h>

#include "gateway/client.h"
#include "gateway/gateway.h"
#include "gateway/session/owed.h"
#include "gateway/wire/fields.h"
#include "gateway/worker.h"

static void send_header(struct server *server, char type, size_t body)
{
    uint32_t length = (uint32_t)body + 4;
    const unsigned char header[] = {(unsigned char)type, (unsigned char)(length >> 24),
                                    (unsigned char)(length >> 16), (unsigned char)(length >> 8),
                                    (unsigned char)length};

    stream_send(&server->stream, header, sizeof header);
}

static void send_parse(struct server *server, const char *name, const struct statement *statement)
{
    size_t name_bytes = strlen(name) + 1, body = statement->query_bytes + statement->types_bytes;

    send_header(server, 'P', name_bytes + body);
    stream_send(&server->stream, name, name_bytes);
    stream_forward(&server->stream, statement->bytes, body);
}

static void send_close(struct server *server, const char *name)
{
    size_t name_bytes = strlen(name) + 1;

    send_header(server, 'C', 1 + name_bytes);
    stream_send(&server->stream, "S", 1);
    stream_send(&server->stream, name, name_bytes);
}

/* Keeps the server's set within max_prepared_statements: the least recently used ones are closed. */
static bool evict_surplus(struct client *client)
{
    struct server *server = client->server;
    struct prepared_set *set = &server->session->prepared;
    size_t limit = (size_t)pool_options(client->pool)->max_prepared_statements;
    struct statement *surplus;
    char name[STATEMENT_NAME_BYTES];

    while ((surplus = set_surplus(set, limit)) != NULL) {
        const struct owed owed = {.kind = OWED_CLOSE, .ours = true, .evicts = true, .statement = surplus};

        statement_retain(surplus);
        statement_name(surplus, name);
        send_close(server, name);
        set_remove(set, surplus);
        if (!relay_owe(client, &owed))
            return false;
    }
    return true;
}

/* What may be there, or is too old, is closed first: closing what is not there is no error. */
static bool close_doubtful(struct client *client, const char *name)
{
    const struct owed owed = {.kind = OWED_CLOSE, .ours = true};

    send_close(client->server, name);
    return relay_owe(client, &owed);
}

/* Sends the Parse for a statement that this server lacks, as the client's own request or as ours. */
static bool prepare_on_server(struct client *client, struct statement *statement, struct prepared_name *name,
                              bool ours)
{
    struct server *server = client->server;
    struct server_session *session = server->session;
    uint64_t number = statements_number(&client->worker->gateway->statements);
    bool absent = set_look(&session->prepared, statement, 0, 0) == SET_MISSING;
    struct owed owed = {.kind = OWED_PARSE,
                        .ours = ours,
                        .prepares = true,
                        .statement = statement,
                        .name = name};
    char text[STATEMENT_NAME_BYTES];

    statement_name(statement, text);
    if ((!absent || owed_evicts(&session->owed, statement)) && !close_doubtful(client, text))
        return false;
    statement_retain(statement);
    if (name != NULL)
        name_retain(name);
    send_parse(server, text, statement);
    if (!relay_owe(client, &owed))
        return false;
    if (!set_add(&session->prepared, statement, session->batch, number)) {
        client_close(client, REASON_MEMORY, NULL);
        return false;
    }
    return evict_surplus(client);
}

static bool ensure_prepared(struct client *client, const struct prepared_name *name)
{
    struct server_session *session = client->server->session;

    return set_look(&session->prepared, name->statement, session->batch, name->number) == SET_READY ||
           prepare_on_server(client, name->statement, NULL, true);
}

/* The unnamed statement of this client must be what the server has under the empty name, or nothing. */
static bool ensure_unnamed(struct client *client)
{
    struct server *server = client->server;
    struct server_session *session = server->session;
    struct owed owed = {.ours = true};

    if (client->unnamed.known && session->unnamed_of == client->id)
        return true;
    if (client->unnamed.known) {
        send_header(server, 'P', client->unnamed.bytes);
        stream_forward(&server->stream, client->unnamed.body, client->unnamed.bytes);
        session->unnamed_of = client->id;
        owed.kind = OWED_PARSE;
        return relay_owe(client, &owed);
    }
    if (session->unnamed_of == 0)
        return true;
    send_close(server, "");
    session->unnamed_of = 0;
    owed.kind = OWED_CLOSE;
    return relay_owe(client, &owed);
}

static enum step forward_owing(struct client *client, const struct message *message, enum owed_kind kind)
{
    const struct owed owed = {.kind = (uint8_t)kind};

    relay_forward(client, message);
    return relay_owe(client, &owed) ? STEP_TAKEN : STEP_ENDED;
}

static enum step parse_unnamed(struct client *client, const struct message *message)
{
    const struct owed owed = {.kind = OWED_PARSE, .prepares = true};

    if (!unnamed_set(&client->unnamed, message->bytes + FRAME_HEADER_BYTES,
                     message->frame.size - FRAME_HEADER_BYTES)) {
        client_close(client, REASON_MEMORY, NULL);
        return STEP_ENDED;
    }
    client->server->session->unnamed_of = client->id;
    relay_forward(client, message);
    return relay_owe(client, &owed) ? STEP_TAKEN : STEP_ENDED;
}

/* PostgreSQL says "already exists" itself when it really has the name: it is prepared once for us and then
 * again for the client. The server is not pooled afterwards. */
static enum step parse_duplicate(struct client *client, const struct message *message)
{
    const struct owed owed = {.kind = OWED_PARSE, .ours = true};

    relay_forward(client, message);
    client->server->retire = true;
    if (!relay_owe(client, &owed))
        return STEP_ENDED;
    return forward_owing(client, message, OWED_PARSE);
}

static enum step parse_named(struct client *client, const struct parse_fields *parse)
{
    struct statements *statements = &client->worker->gateway->statements;
    struct statement *statement = statement_intern(statements, parse);
    struct prepared_name *name = NULL;
    bool going_on;

    if (statement != NULL)
        name = names_add(&client->names, parse->name, statement, statements_number(statements));
    if (name == NULL)
        client_close(client, REASON_MEMORY, NULL);
    going_on = name != NULL && prepare_on_server(client, statement, name, false);
    if (statement != NULL)
        statement_release(statement);
    return going_on ? STEP_TAKEN : STEP_ENDED;
}

enum step relay_parse(struct client *client, const struct message *message)
{
    struct parse_fields parse;

    client->relay.unsynced = true;
    if (client->relay.dedicated || message->available < message->frame.size ||
        !fields_parse(message->bytes + FRAME_HEADER_BYTES, message->frame.size - FRAME_HEADER_BYTES, &parse))
        return forward_owing(client, message, OWED_PARSE);
    if (*parse.name == '\0')
        return parse_unnamed(client, message);
    if (names_find(&client->names, parse.name) != NULL && client->server->session->owed.count > 0) {
        relay_barrier(client); /* whether the name is taken is known when those answers are here */
        return STEP_WAIT;
    }
    if (names_find(&client->names, parse.name) != NULL)
        return parse_duplicate(client, message);
    return parse_named(client, &parse);
}

enum step relay_bind(struct client *client, const struct message *message)
{
    const struct owed owed = {.kind = OWED_BIND};
    struct server *server = client->server;
    struct bind_fields bind;
    struct prepared_name *name;
    char text[STATEMENT_NAME_BYTES];
    size_t portal_bytes, text_bytes, old_bytes;

    client->relay.unsynced = true;
    if (client->relay.dedicated ||
        !fields_bind(message->bytes + FRAME_HEADER_BYTES, message->available - FRAME_HEADER_BYTES, &bind))
        return forward_owing(client, message, OWED_BIND);
    if (*bind.statement == '\0')
        return ensure_unnamed(client) ? forward_owing(client, message, OWED_BIND) : STEP_ENDED;
    name = names_find(&client->names, bind.statement);
    if (name == NULL)
        return forward_owing(client, message, OWED_BIND);
    if (!ensure_prepared(client, name))
        return STEP_ENDED;
    statement_name(name->statement, text);
    portal_bytes = strlen(bind.portal) + 1;
    text_bytes = strlen(text) + 1;
    old_bytes = strlen(bind.statement) + 1;
    send_header(server, 'B', message->frame.size - FRAME_HEADER_BYTES - old_bytes + text_bytes);
    stream_send(&server->stream, bind.portal, portal_bytes);
    stream_send(&server->stream, text, text_bytes);
    stream_forward(&server->stream, bind.rest, bind.rest_bytes);
    client->relay.passing = message->frame.size - message->available;
    client->relay.discard = false;
    return relay_owe(client, &owed) ? STEP_TAKEN : STEP_ENDED;
}

enum step relay_describe(struct client *client, const struct message *message)
{
    const struct owed owed = {.kind = OWED_DESCRIBE};
    struct prepared_name *name;
    char kind, text[STATEMENT_NAME_BYTES];
    const char *wanted;

    client->relay.unsynced = true;
    if (client->relay.dedicated ||
        !fields_describe(message->bytes + FRAME_HEADER_BYTES, message->frame.size - FRAME_HEADER_BYTES, &kind,
                         &wanted) ||
        kind != 'S')
        return forward_owing(client, message, OWED_DESCRIBE);
    if (*wanted == '\0')
        return ensure_unnamed(client) ? forward_owing(client, message, OWED_DESCRIBE) : STEP_ENDED;
    name = names_find(&client->names, wanted);
    if (name == NULL)
        return forward_owing(client, message, OWED_DESCRIBE);
    if (!ensure_prepared(client, name))
        return STEP_ENDED;
    statement_name(name->statement, text);
    send_header(client->server, 'D', 1 + strlen(text) + 1);
    stream_send(&client->server->stream, "S", 1);
    stream_send(&client->server->stream, text, strlen(text) + 1);
    return relay_owe(client, &owed) ? STEP_TAKEN : STEP_ENDED;
}

/* Forwarded as it is: closing a name that a server does not have is no error, and its answer comes in
 * order. */
enum step relay_close(struct client *client, const struct message *message)
{
    struct owed owed = {.kind = OWED_CLOSE};
    const char *wanted;
    char kind;

    client->relay.unsynced = true;
    if (!client->relay.dedicated &&
        fields_describe(message->bytes + FRAME_HEADER_BYTES, message->frame.size - FRAME_HEADER_BYTES, &kind,
                        &wanted) &&
        kind == 'S') {
        owed.name = names_find(&client->names, wanted);
        if (owed.name != NULL) {
            name_retain(owed.name);
            names_remove(&client->names, owed.name);
        } else if (*wanted == '\0') {
            owed.evicts = client->unnamed.known;
            client->unnamed.known = false;
            client->server->session->unnamed_of = 0;
        }
    }
    relay_forward(client, message);
    return relay_owe(client, &owed) ? STEP_TAKEN : STEP_ENDED;
}

/* DEALLOCATE of a protocol-level name: PostgreSQL deallocates an empty statement of that very name, made for
 * the purpose, so that the command's answer and its errors are its own. */
bool relay_deallocate(struct client *client, const char *wanted, bool synced)
{
    static const unsigned char sync[] = {'S', 0, 0, 0, 4}, empty_query_no_types[] = {0, 0, 0};
    struct prepared_name *name = names_find(&client->names, wanted);
    struct owed owed = {.kind = OWED_PARSE, .ours = true};

    if (name == NULL || client->relay.dedicated || client->server->status == 'E')
        return true;
    send_header(client->server, 'P', strlen(wanted) + 1 + sizeof empty_query_no_types);
    stream_send(&client->server->stream, wanted, strlen(wanted) + 1);
    stream_send(&client->server->stream, empty_query_no_types, sizeof empty_query_no_types);
    names_remove(&client->names, name);
    if (!relay_owe(client, &owed))
        return false;
    if (!synced)
        return true;
    stream_send(&client->server->stream, sync, sizeof sync);
    owed.kind = OWED_SYNC;
    return relay_owe(client, &owed);
}

void relay_undo(struct server *server, struct owed *owed)
{
    struct client *client = server->client;
    struct prepared_set *set = &server->session->prepared;

    if ((owed->prepares || owed->evicts) && owed->statement != NULL && !set_doubt(set, owed->statement))
        server->retire = true;
    if (owed->kind == OWED_PARSE && owed->ours && owed->statement == NULL)
        server->session->unnamed_of = 0;
    if (client == NULL)
        return;
    if (owed->prepares && owed->statement == NULL) {
        client->unnamed.known = false;
        server->session->unnamed_of = 0;
    }
    if (owed->evicts && owed->statement == NULL)
        client->unnamed.known = true;
    if (owed->name == NULL)
        return;
    if (owed->kind == OWED_CLOSE)
        names_restore(&client->names, owed->name);
    else
        names_remove(&client->names, owed->name);
}
