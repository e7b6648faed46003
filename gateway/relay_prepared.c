/* SPDX-License-Identifier: PostgreSQL
 * relay_prepared - Parse, Bind, Describe and Close of clients that share servers.
 * A server never holds a statement under a client's name, so an unknown name is forwarded as it is and
 * PostgreSQL itself says what it says to any client, at the right place of the pipeline. */
#include "gateway/relay_prepared.h"

#include <string.h>
#include <strings.h>

#include "gateway/catalog.h"
#include "gateway/client.h"
#include "gateway/gateway.h"
#include "gateway/relay_error.h"
#include "gateway/relay_examine.h"
#include "gateway/relay_names.h"
#include "gateway/relay_place.h"
#include "gateway/relay_state.h"
#include "gateway/session/owed.h"
#include "gateway/wire/fields.h"
#include "gateway/worker.h"

static enum step forward_owing(struct client *client, const struct message *message, enum owed_kind kind)
{
    const struct owed owed = {.kind = (uint8_t)kind};

    relay_forward(client, message);
    return relay_owe(client, &owed) ? STEP_TAKEN : STEP_ENDED;
}

/* A name at the head of the client's bytes. Whether it is taken may depend on an earlier batch that is
 * not answered yet: then it cannot be said, and false is returned with a barrier up. */
static bool look_up(struct client *client, const char *wanted, struct prepared_name **name)
{
    struct server_session *session = client->server->session;
    bool known;

    *name = names_find(&client->names, wanted);
    known = *name != NULL ? (*name)->confirmed || (*name)->batch == session->batch
                          : !owed_closes(&session->owed, wanted);
    if (known || session->owed.count == 0)
        return true;
    relay_barrier(client);
    return false;
}

static enum step parse_unnamed(struct client *client, const struct message *message,
                               const struct statement_facts *facts, bool first)
{
    struct server_session *session = client->server->session;
    struct owed owed = {
        .kind = OWED_PARSE, .prepares = true, .before = first ? 0 : unnamed_keep(session, &client->unnamed)};

    if (!unnamed_set(&client->unnamed, message->bytes + FRAME_HEADER_BYTES,
                     message->frame.size - FRAME_HEADER_BYTES, facts)) {
        client_close(client, REASON_MEMORY, NULL);
        return STEP_ENDED;
    }
    client->unnamed.version = client->shard->routines_version;
    owed.number = client->unnamed.number;
    session->unnamed_of = client->id;
    session->unnamed_batch = session->batch;
    relay_forward(client, message);
    return relay_owe(client, &owed) ? STEP_TAKEN : STEP_ENDED;
}

/* PostgreSQL says "already exists" itself when it really has the name. */
static enum step parse_duplicate(struct client *client, const struct message *message,
                                 struct prepared_name *name)
{
    if (client->server->session->owed.count > 0) {
        relay_barrier(client); /* whether the name is taken is known when those answers are here */
        return STEP_WAIT;
    }
    if (!place_material(client, name, MATERIAL_EMPTY))
        return STEP_ENDED;
    return forward_owing(client, message, OWED_PARSE);
}

/* A statement of that name may have been made by PREPARE: then only PostgreSQL knows. */
static bool may_be_taken_in_sql(const struct client *client)
{
    return state_may_have(client, PIN_BIT(PREPARE));
}

static bool begins_with(const char *text, const char *word)
{
    return strncasecmp(text, word, strlen(word)) == 0;
}

/* PostgreSQL remembers which rows a statement had when it was parsed, and refuses to return others: so must
 * we, whether the client asks for them or not. Most of what changes rows returns none. */
static bool remember_shape(struct client *client, struct prepared_name *name)
{
    const char *text = name->statement->bytes + strspn(name->statement->bytes, " \t\n\r");
    bool changes = begins_with(text, "insert") || begins_with(text, "update") ||
                   begins_with(text, "delete") || begins_with(text, "begin") || begins_with(text, "commit") ||
                   begins_with(text, "set");

    if (changes && strcasestr(text, "returning") == NULL)
        return true;
    return place_describe(client, name->statement, name, true);
}

static enum step parse_named(struct client *client, const struct message *message,
                             const struct parse_fields *parse, const struct statement_facts *facts)
{
    struct statements *statements = &client->worker->gateway->statements;
    struct statement *statement = statement_intern(statements, parse, place_meaning(client));
    struct prepared_name *name = NULL;

    if (statement != NULL) {
        name = names_add(&client->names, parse->name, statement, statements_number(statements));
        statement_release(statement);
    }
    if (name == NULL || (facts_matter(facts) && !facts_keep(&name->facts, facts))) {
        client_close(client, REASON_MEMORY, NULL);
        return STEP_ENDED;
    }
    name->version = client->shard->routines_version;
    name->batch = client->server->session->batch;
    if (!may_be_taken_in_sql(client))
        return place_shared(client, name->statement, name) && remember_shape(client, name) ? STEP_TAKEN
                                                                                           : STEP_ENDED;
    relay_forward(client, message);
    return place_own(client, name) ? STEP_TAKEN : STEP_ENDED;
}

/* Too large to be held, or PostgreSQL will refuse it: it goes as it is. */
static enum step parse_unread(struct client *client, const struct message *message)
{
    bool whole = message->available == message->frame.size;
    bool named = message->bytes[FRAME_HEADER_BYTES] != '\0';

    if (!client->relay.dedicated && !whole && named)
        client->server->retire = true; /* it is there under the client's own name */
    if (!client->relay.dedicated && !named) {
        unnamed_forget(&client->unnamed);
        client->unnamed.unread = true;
        client->server->session->unnamed_of = client->id;
        client->server->session->unnamed_batch = client->server->session->batch;
    }
    return forward_owing(client, message, OWED_PARSE);
}

enum step relay_parse(struct client *client, const struct message *message,
                      const struct statement_facts *facts)
{
    bool first = !client->relay.unsynced;
    struct prepared_name *name;
    struct parse_fields parse;
    enum step step;

    client->relay.unsynced = true;
    if (client->relay.dedicated || message->available < message->frame.size ||
        !fields_parse(message->bytes + FRAME_HEADER_BYTES, message->frame.size - FRAME_HEADER_BYTES, &parse))
        return parse_unread(client, message);
    step = relay_names_before(client, facts, parse.query, parse.query_length, NAMES_PARSE);
    if (step != STEP_TAKEN)
        return step;
    if (*parse.name == '\0')
        return parse_unnamed(client, message, facts, first);
    if (!look_up(client, parse.name, &name))
        return STEP_WAIT;
    if (name != NULL)
        return parse_duplicate(client, message, name);
    return parse_named(client, message, &parse, facts);
}

/* The catalogs may have changed since the text was looked at. False: out of memory, the session was ended. */
static bool look_again(struct client *client, const char *text, size_t length, struct statement_facts **facts,
                       uint64_t *version)
{
    struct statement_facts fresh;

    (void)catalog_routines(client->shard);
    if (*version == client->shard->routines_version)
        return true;
    catalog_classify(client->shard, text, length, !client->relay.plain_backslashes, &fresh);
    *version = client->shard->routines_version;
    if (facts_renew(facts, &fresh))
        return true;
    client_close(client, REASON_MEMORY, NULL);
    return false;
}

/* A Parse of an earlier batch may yet turn out to be skipped; then the server has another session's
 * statement. */
static bool unnamed_is_sure(struct client *client)
{
    const struct server_session *session = client->server->session;

    if (session->unnamed_of != client->id || session->unnamed_batch == session->batch ||
        session->owed.count == 0)
        return true;
    relay_barrier(client);
    return false;
}

static enum step bind_unnamed(struct client *client, const struct message *message,
                              const struct bind_fields *bind)
{
    struct unnamed *unnamed = &client->unnamed;
    bool refused = false;
    enum step step;

    if (!unnamed_is_sure(client))
        return STEP_WAIT;
    if (unnamed->known) {
        const char *text = unnamed->body + 1; /* behind the empty name */

        if (!look_again(client, text, strlen(text), &unnamed->facts, &unnamed->version))
            return STEP_ENDED;
        step = unnamed->facts == NULL
                   ? STEP_TAKEN
                   : relay_examine_bound(client, message, bind, unnamed->facts, text, &refused);
        if (step != STEP_TAKEN || refused)
            return step;
    }
    return place_unnamed(client) ? forward_owing(client, message, OWED_BIND) : STEP_ENDED;
}

static enum step bind_shared(struct client *client, const struct message *message,
                             const struct bind_fields *bind, const struct prepared_name *name)
{
    const struct owed owed = {.kind = OWED_BIND};
    struct server *server = client->server;
    char text[STATEMENT_NAME_BYTES];
    size_t portal_bytes, text_bytes, old_bytes;

    statement_name(name->statement, text);
    portal_bytes = strlen(bind->portal) + 1;
    text_bytes = strlen(text) + 1;
    old_bytes = strlen(bind->statement) + 1;
    place_header(server, 'B', message->frame.size - FRAME_HEADER_BYTES - old_bytes + text_bytes);
    stream_send(&server->stream, bind->portal, portal_bytes);
    stream_send(&server->stream, text, text_bytes);
    stream_forward(&server->stream, bind->rest, bind->rest_bytes);
    client->relay.passing = message->frame.size - message->available;
    client->relay.discard = false;
    return relay_owe(client, &owed) ? STEP_TAKEN : STEP_ENDED;
}

/* What the client was told of the rows must be what it gets: where the statement was parsed again after
 * a change of the catalogs only we know that PostgreSQL would refuse it. *stale: it would. */
static enum step check_shape(struct client *client, struct prepared_name *name, bool *stale)
{
    struct server_session *session = client->server->session;
    struct prepared_entry *entry = set_find(&session->prepared, name->statement);

    *stale = false;
    if (entry == NULL || entry->shape == name->shape || client->server->status == 'E' ||
        name->material != MATERIAL_NONE || (name->facts != NULL && name->facts->executes))
        return STEP_TAKEN; /* PostgreSQL does not compare what EXECUTE returns */
    if (entry->shape == 0 && entry->described && session->owed.count == 0)
        return STEP_TAKEN; /* it could not be told */
    if (entry->shape == 0 && !entry->described) {
        entry->described = true;
        if (!place_describe(client, name->statement, NULL, true))
            return STEP_ENDED;
    }
    if (session->owed.count > 0) {
        relay_barrier(client);
        return STEP_WAIT;
    }
    *stale = true;
    return relay_error_stale(client->server) ? STEP_TAKEN : STEP_ENDED;
}

enum step relay_bind(struct client *client, const struct message *message)
{
    struct bind_fields bind;
    struct prepared_name *name;
    bool stale, refused;
    enum step step;

    client->relay.unsynced = true;
    if (client->relay.dedicated ||
        !fields_bind(message->bytes + FRAME_HEADER_BYTES, message->available - FRAME_HEADER_BYTES, &bind))
        return forward_owing(client, message, OWED_BIND);
    if (*bind.statement == '\0')
        return bind_unnamed(client, message, &bind);
    if (!look_up(client, bind.statement, &name))
        return STEP_WAIT;
    if (name == NULL)
        return forward_owing(client, message, OWED_BIND);
    if (!look_again(client, name->statement->bytes, name->statement->query_bytes - 1, &name->facts,
                    &name->version))
        return STEP_ENDED;
    last_statement_note(&client->server->session->last, name->statement->bytes,
                        name->statement->query_bytes - 1);
    if (name->facts != NULL) {
        step = relay_examine_bound(client, message, &bind, name->facts, name->statement->bytes, &refused);
        if (step != STEP_TAKEN || refused)
            return step;
    }
    if (name->material == MATERIAL_TRUE)
        return forward_owing(client, message, OWED_BIND);
    if (!place_needed(client, name))
        return STEP_ENDED;
    if (name->shape != 0) {
        step = check_shape(client, name, &stale);
        if (step != STEP_TAKEN || stale)
            return step == STEP_TAKEN ? forward_owing(client, message, OWED_BIND) : step;
    }
    return bind_shared(client, message, &bind, name);
}

enum step relay_describe(struct client *client, const struct message *message)
{
    struct prepared_name *name;
    const char *wanted;
    enum step step;
    char kind;

    client->relay.unsynced = true;
    if (client->relay.dedicated ||
        !fields_describe(message->bytes + FRAME_HEADER_BYTES, message->frame.size - FRAME_HEADER_BYTES, &kind,
                         &wanted) ||
        kind != 'S')
        return forward_owing(client, message, OWED_DESCRIBE);
    if (*wanted == '\0' && !unnamed_is_sure(client))
        return STEP_WAIT;
    if (*wanted == '\0')
        return place_unnamed(client) ? forward_owing(client, message, OWED_DESCRIBE) : STEP_ENDED;
    if (!look_up(client, wanted, &name))
        return STEP_WAIT;
    if (name != NULL && name->facts != NULL) {
        step = relay_names_before(client, name->facts, name->statement->bytes,
                                  name->statement->query_bytes - 1, NAMES_PARSE);
        if (step != STEP_TAKEN)
            return step;
    }
    if (name == NULL)
        return forward_owing(client, message, OWED_DESCRIBE);
    if (name->material != MATERIAL_TRUE && !place_needed(client, name))
        return STEP_ENDED;
    return place_describe(client, name->statement, name, false) ? STEP_TAKEN : STEP_ENDED;
}

static void close_name(struct client *client, struct prepared_name *name, struct owed *owed)
{
    owed->name = name;
    owed->restores = true;
    owed->material = name->material;
    name->material = MATERIAL_NONE;
    name_retain(name);
    names_remove(&client->names, name);
}

/* Forwarded as it is: closing a name that a server does not have is no error, and its answer comes in
 * order. */
enum step relay_close(struct client *client, const struct message *message)
{
    struct owed owed = {.kind = OWED_CLOSE};
    struct prepared_name *name;
    const char *wanted;
    char kind;

    client->relay.unsynced = true;
    if (client->relay.dedicated ||
        !fields_describe(message->bytes + FRAME_HEADER_BYTES, message->frame.size - FRAME_HEADER_BYTES, &kind,
                         &wanted) ||
        kind != 'S')
        return forward_owing(client, message, OWED_CLOSE);
    if (*wanted == '\0') {
        owed.before = unnamed_keep(client->server->session, &client->unnamed);
        owed.evicts = client->unnamed.known;
        unnamed_forget(&client->unnamed);
        owed.number = client->unnamed.number;
        client->server->session->unnamed_of = 0;
    } else if (!look_up(client, wanted, &name)) {
        return STEP_WAIT;
    } else if (name != NULL) {
        close_name(client, name, &owed);
    }
    relay_forward(client, message);
    return relay_owe(client, &owed) ? STEP_TAKEN : STEP_ENDED;
}

enum step relay_execute(struct client *client, const struct message *message)
{
    struct reader reader;
    enum step step;

    client->relay.unsynced = true;
    step = forward_owing(client, message, OWED_EXECUTE);
    if (step == STEP_TAKEN && client->relay.name_reset != NAME_KEPT)
        relay_barrier(client);
    if (step != STEP_TAKEN || client->names.portal == 0)
        return step;
    reader_init(&reader, message->bytes + FRAME_HEADER_BYTES, message->available - FRAME_HEADER_BYTES);
    if (relay_names_leave(client, reader_string(&reader)))
        relay_barrier(client);
    return STEP_TAKEN;
}
