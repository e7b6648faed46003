/* SPDX-License-Identifier: PostgreSQL
 * relay_place - puts statements on a client's server and takes them off. */
#include "gateway/relay_place.h"

#include <string.h>

#include "gateway/base/check.h"
#include "gateway/client.h"
#include "gateway/gateway.h"
#include "gateway/relay.h"
#include "gateway/relay_state.h"
#include "gateway/session/owed.h"
#include "gateway/wire/fields.h"
#include "gateway/wire/write.h"
#include "gateway/worker.h"

enum { SHAPE_NONE = 1 /* no rows */ };

const struct settings *place_meaning(const struct client *client)
{
    return settings_meaning(client->settings);
}

static bool no_memory(struct client *client)
{
    client->server->retire = true;
    client_close(client, REASON_MEMORY, NULL);
    return false;
}

void place_header(struct server *server, char type, size_t body)
{
    uint32_t length = (uint32_t)body + 4;
    const unsigned char header[] = {(unsigned char)type, (unsigned char)(length >> 24),
                                    (unsigned char)(length >> 16), (unsigned char)(length >> 8),
                                    (unsigned char)length};

    stream_send(&server->stream, header, sizeof header);
}

bool place_sync(struct client *client)
{
    const struct owed owed = {.kind = OWED_SYNC, .ours = true};

    place_header(client->server, 'S', 0);
    client->server->session->batch++;
    return relay_owe(client, &owed);
}

/* One message of ours whose answer is of this kind. */
static bool aside(struct client *client, char type, const void *body, size_t bytes, enum owed_kind kind)
{
    const struct owed owed = {.kind = (uint8_t)kind, .ours = true};

    place_header(client->server, type, bytes);
    stream_send(&client->server->stream, body, bytes);
    return relay_owe(client, &owed);
}

bool place_aside(struct client *client, const char *sql)
{
    static const char name[] = "pgsluice aside", execute[] = "pgsluice aside\0\0\0\0",
                      bind[] = "pgsluice aside\0pgsluice aside\0\0\0\0\0\0", close[] = "Spgsluice aside",
                      close_portal[] = "Ppgsluice aside";
    unsigned char parse[128];
    struct builder builder;

    if (!client->relay.unsynced)
        return relay_send_ours(client->server, sql, PURPOSE_PLAIN) || no_memory(client);
    builder_init(&builder, parse, sizeof parse);
    builder_string(&builder, name);
    builder_string(&builder, sql);
    builder_u16(&builder, 0);
    CHECK(builder_ok(&builder));
    return aside(client, 'P', builder.bytes, builder.used, OWED_PARSE) &&
           aside(client, 'B', bind, sizeof bind, OWED_BIND) &&
           aside(client, 'E', execute, sizeof execute, OWED_EXECUTE) &&
           aside(client, 'C', close_portal, sizeof close_portal, OWED_CLOSE) &&
           aside(client, 'C', close, sizeof close, OWED_CLOSE);
}

static void send_parse(struct server *server, const char *name, const char *body, size_t bytes)
{
    size_t name_bytes = strlen(name) + 1;

    place_header(server, 'P', name_bytes + bytes);
    stream_send(&server->stream, name, name_bytes);
    stream_forward(&server->stream, body, bytes);
}

static void send_close(struct server *server, const char *name)
{
    size_t name_bytes = strlen(name) + 1;

    place_header(server, 'C', 1 + name_bytes);
    stream_send(&server->stream, "S", 1);
    stream_send(&server->stream, name, name_bytes);
}

static bool close_shared(struct client *client, struct statement *statement)
{
    const struct owed owed = {.kind = OWED_CLOSE, .ours = true, .evicts = true, .statement = statement};
    char name[STATEMENT_NAME_BYTES];

    statement_retain(statement);
    statement_name(statement, name);
    send_close(client->server, name);
    set_remove(&client->server->session->prepared, statement);
    return relay_owe(client, &owed);
}

/* Keeps the server's set within `limit`: the least recently used ones are closed. */
static bool close_surplus(struct client *client, size_t limit)
{
    struct prepared_set *set = &client->server->session->prepared;

    for (struct statement *surplus; (surplus = set_surplus(set, limit)) != NULL;)
        if (!close_shared(client, surplus))
            return false;
    return true;
}

bool place_close_shared(struct client *client)
{
    return close_surplus(client, 0);
}

/* What may be there, or is too old, is closed first: closing what is not there is no error. */
static bool close_doubtful(struct client *client, const char *name)
{
    const struct owed owed = {.kind = OWED_CLOSE, .ours = true};

    send_close(client->server, name);
    return relay_owe(client, &owed);
}

bool place_shared(struct client *client, struct statement *statement, struct prepared_name *name)
{
    struct server *server = client->server;
    struct server_session *session = server->session;
    uint64_t number = statements_number(&client->worker->gateway->statements);
    bool absent = set_look(&session->prepared, statement, 0, 0) == SET_MISSING;
    struct owed owed = {.kind = OWED_PARSE,
                        .ours = name == NULL,
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
    send_parse(server, text, statement->bytes, statement->query_bytes + statement->types_bytes);
    if (!relay_owe(client, &owed))
        return false;
    if (!set_add(&session->prepared, statement, session->batch, number))
        return no_memory(client);
    return close_surplus(client, (size_t)pool_options(client->pool)->max_prepared_statements);
}

/* What it means now is not what it meant when the client sent it: as PostgreSQL does it is analysed anew, and
 * nobody for whom it means something else may find that. */
static bool mean_anew(struct client *client, struct prepared_name *name)
{
    struct statement *statement;

    if (name->statement->meaning == place_meaning(client))
        return true;
    statement = statement_intern_again(name->statement, place_meaning(client));
    if (statement == NULL)
        return no_memory(client);
    name_become(name, statement);
    statement_release(statement);
    return true;
}

bool place_needed(struct client *client, struct prepared_name *name)
{
    struct server_session *session = client->server->session;

    if (set_look(&session->prepared, name->statement, session->batch, name->number) == SET_READY)
        return true;
    if (!mean_anew(client, name))
        return false;
    return set_look(&session->prepared, name->statement, session->batch, name->number) == SET_READY ||
           place_shared(client, name->statement, NULL);
}

bool place_describe(struct client *client, struct statement *statement, struct prepared_name *name, bool ours)
{
    bool own = !ours && name != NULL && name->material == MATERIAL_TRUE;
    const struct owed owed = {
        .kind = OWED_DESCRIBE, .ours = ours, .statement = own ? NULL : statement, .name = name};
    char shared[STATEMENT_NAME_BYTES];
    const char *text = own ? name->name : shared;

    statement_name(statement, shared);
    place_header(client->server, 'D', 1 + strlen(text) + 1);
    stream_send(&client->server->stream, "S", 1);
    stream_send(&client->server->stream, text, strlen(text) + 1);
    if (!own)
        statement_retain(statement);
    if (name != NULL)
        name_retain(name);
    return relay_owe(client, &owed);
}

void place_described(struct server *server, const struct owed *owed, const void *body, size_t size)
{
    uint64_t shape = body == NULL ? SHAPE_NONE : fields_shape(body, size);
    struct prepared_entry *entry =
        owed->statement == NULL ? NULL : set_find(&server->session->prepared, owed->statement);

    if (owed->name != NULL)
        owed->name->shape = shape;
    if (entry != NULL)
        entry->shape = shape;
}

bool place_unnamed(struct client *client)
{
    struct server *server = client->server;
    struct server_session *session = server->session;
    struct owed owed = {.ours = true};

    if ((client->unnamed.known || client->unnamed.unread) && session->unnamed_of == client->id)
        return true;
    if (client->unnamed.known) {
        place_header(server, 'P', client->unnamed.bytes);
        stream_forward(&server->stream, client->unnamed.body, client->unnamed.bytes);
        session->unnamed_of = client->id;
        session->unnamed_batch = session->batch;
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

static bool remember_material(struct client *client, struct prepared_name *name)
{
    struct name_list *materials = &client->server->session->materials;

    if (materials->count == materials->room)
        name_list_compact(materials);
    return name_list_add(materials, name) || no_memory(client);
}

static bool close_material(struct client *client, struct prepared_name *name)
{
    const struct owed owed = {
        .kind = OWED_CLOSE, .ours = true, .restores = true, .material = name->material, .name = name};

    send_close(client->server, name->name);
    name->material = MATERIAL_NONE;
    name_retain(name);
    return relay_owe(client, &owed);
}

bool place_material(struct client *client, struct prepared_name *name, enum material wanted)
{
    static const char empty_query_no_types[] = {0, 0, 0};
    const struct statement *statement = name->statement;
    const struct owed owed = {.kind = OWED_PARSE, .ours = true, .restores = true, .name = name};

    if (name->material >= wanted)
        return true;
    if (name->material != MATERIAL_NONE && !close_material(client, name))
        return false;
    if (wanted == MATERIAL_TRUE)
        send_parse(client->server, name->name, statement->bytes,
                   statement->query_bytes + statement->types_bytes);
    else
        send_parse(client->server, name->name, empty_query_no_types, sizeof empty_query_no_types);
    name->material = (uint8_t)wanted;
    name->confirmed = false;
    name->batch = client->server->session->batch;
    name_retain(name);
    return relay_owe(client, &owed) && remember_material(client, name);
}

bool place_own(struct client *client, struct prepared_name *name)
{
    const struct owed owed = {.kind = OWED_PARSE, .restores = true, .name = name};

    name->material = MATERIAL_TRUE;
    name_retain(name);
    return relay_owe(client, &owed) && remember_material(client, name);
}

bool place_take_back(struct client *client)
{
    struct name_list *materials = &client->server->session->materials;
    bool sent = false;

    for (size_t i = 0; i < materials->count; i++) {
        if (materials->names[i]->material == MATERIAL_NONE)
            continue;
        if (!close_material(client, materials->names[i]))
            return false;
        sent = true;
    }
    name_list_clear(materials);
    return !sent || place_sync(client);
}

static void undo_shared(struct server *server, const struct owed *owed)
{
    if ((owed->prepares || owed->evicts) && !set_doubt(&server->session->prepared, owed->statement))
        server->retire = true;
}

/* PostgreSQL forgets the unnamed statement in front of a Parse that fails, and keeps it when it skips one. */
static void undo_unnamed(struct server *server, const struct owed *owed)
{
    struct server_session *session = server->session;
    struct client *client = server->client;
    bool of_client = owed->prepares || owed->evicts;

    if (client != NULL && of_client && owed->number != client->unnamed.number)
        return; /* what was sent later counts */
    session->unnamed_of = (uint64_t)UNNAMED_UNKNOWN;
    if (client == NULL || !of_client)
        return;
    if (owed->before != 0 && (owed->evicts || owed != owed_head(&session->owed))) {
        unnamed_return(session, &client->unnamed, owed->before);
        return;
    }
    unnamed_forget(&client->unnamed);
    client->unnamed.known = owed->evicts;
}

void place_undo(struct server *server, struct owed *owed)
{
    struct client *client = server->client;

    if (owed->kind != OWED_PARSE && owed->kind != OWED_CLOSE)
        return;
    if (owed->statement != NULL)
        undo_shared(server, owed);
    else if (owed->name == NULL)
        undo_unnamed(server, owed);
    if (owed->restores) {
        owed->name->material = owed->material;
        owed->name->confirmed = owed->name->confirmed || owed->ours;
    }
    if (client == NULL || owed->name == NULL || owed->ours)
        return;
    if (owed->kind == OWED_CLOSE)
        names_restore(&client->names, owed->name);
    else
        names_remove(&client->names, owed->name);
}
