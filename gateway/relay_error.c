/* SPDX-License-Identifier: PostgreSQL
 * relay_error - errors in the words that the client would read on a connection of its own. */
#include "gateway/relay_error.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/fault.h"
#include "gateway/client.h"
#include "gateway/session/owed.h"
#include "gateway/wire/fields.h"
#include "gateway/wire/frame.h"
#include "gateway/wire/write.h"
#include "router/server.h"

enum { ERROR_MAX_BYTES = 1024 };

void relay_error_forget(struct server *server)
{
    free(server->session->excuse);
    server->session->excuse = NULL;
}

/* Room for a whole message with this body; the header is filled in. */
static unsigned char *excuse_new(struct server_session *session, size_t body)
{
    uint32_t length = (uint32_t)body + 4;
    unsigned char *message = malloc(FRAME_HEADER_BYTES + body);

    free(session->excuse);
    session->excuse = message;
    session->excuse_bytes = FRAME_HEADER_BYTES + body;
    if (message == NULL)
        return NULL;
    message[0] = 'E';
    for (int i = 0; i < 4; i++)
        message[1 + i] = (unsigned char)(length >> (24 - 8 * i));
    return message;
}

bool relay_error_keep(struct server *server, const unsigned char *body, size_t size)
{
    unsigned char *message = excuse_new(server->session, size);

    if (message == NULL)
        return false;
    memcpy(message + FRAME_HEADER_BYTES, body, size);
    return true;
}

bool relay_error_stale(struct server *server)
{
    static const char body[] = "SERROR\0VERROR\0C0A000\0Mcached plan must not change result type\0"
                               "Fplancache.c\0RRevalidateCachedQuery\0";

    return relay_error_keep(server, (const unsigned char *)body, sizeof body);
}

static bool is_called(const struct prepared_name *name, const char *ours, size_t length)
{
    char text[STATEMENT_NAME_BYTES];

    statement_name(name->statement, text);
    return strlen(text) == length && memcmp(text, ours, length) == 0;
}

/* The client's name for the statement that we call so, also when its Close is on its way already; or NULL. */
static const struct prepared_name *name_of(struct server *server, const char *ours, size_t length)
{
    const struct client *client = server->client;
    const struct table *table = &client->names.table;
    struct owed_ring *ring = &server->session->owed;

    for (uint32_t i = 0; i < ring->count; i++)
        if (owed_at(ring, i)->name != NULL && is_called(owed_at(ring, i)->name, ours, length))
            return owed_at(ring, i)->name;
    for (size_t i = 0; table->count > 0 && i <= table->mask; i++)
        for (struct table_link *link = table->buckets[i]; link != NULL; link = link->next)
            if (is_called(table_entry(link, struct prepared_name, link), ours, length))
                return table_entry(link, struct prepared_name, link);
    return NULL;
}

static bool rename_statement(struct server *server, const unsigned char *body, size_t size)
{
    static const char prefix[] = "\"pgsluice_";
    const unsigned char *quote = memmem(body, size, prefix, sizeof prefix - 1), *start, *end;
    const struct prepared_name *name;
    unsigned char *message;
    size_t before, after, length;

    if (quote == NULL)
        return false;
    start = quote + 1;
    end = memchr(start, '"', size - (size_t)(start - body));
    name = end == NULL ? NULL : name_of(server, (const char *)start, (size_t)(end - start));
    if (name == NULL)
        return false;
    before = (size_t)(start - body);
    after = size - (size_t)(end - body);
    length = strlen(name->name);
    message = excuse_new(server->session, before + length + after);
    if (message == NULL)
        return false;
    memcpy(message + FRAME_HEADER_BYTES, body, before);
    memcpy(message + FRAME_HEADER_BYTES + before, name->name, length);
    memcpy(message + FRAME_HEADER_BYTES + before + length, end, after);
    return true;
}

/* The statement is not there, or the transaction failed by the Parse that should have put it there. */
static bool is_excused(const struct server *server, const unsigned char *body, size_t size)
{
    struct error_fields fields;

    if (server->session->excuse == NULL)
        return false;
    fields_error(body, size, &fields);
    return strcmp(fields.sqlstate, "26000") == 0 || strcmp(fields.sqlstate, "25P02") == 0;
}

/* A time limit of ours had the query cancelled: PostgreSQL would say that the user did. */
static bool explain_cancel(struct server *server, const unsigned char *body, size_t size)
{
    struct server_session *session = server->session;
    unsigned char message[ERROR_MAX_BYTES];
    struct error_fields fields;
    struct builder builder;
    struct fault fault;

    if (session->late == NULL)
        return false;
    fields_error(body, size, &fields);
    if (strcmp(fields.sqlstate, "57014") != 0)
        return false;
    fault_set(&fault, "57014", "%s: canceling what ran for longer than %llu ms", session->late,
              (unsigned long long)(session->late_us / 1000));
    fault_hint(&fault, "Make it faster, or raise %s of the route.", session->late);
    session->late = NULL;
    builder_init(&builder, message, sizeof message);
    write_error(&builder, 'E', "ERROR", &fault);
    return builder_ok(&builder) &&
           relay_error_keep(server, message + FRAME_HEADER_BYTES, builder.used - FRAME_HEADER_BYTES);
}

bool relay_error_differs(struct server *server, const unsigned char *body, size_t size)
{
    return server->client != NULL &&
           (is_excused(server, body, size) || explain_cancel(server, body, size) ||
            rename_statement(server, body, size));
}

void relay_error_send(struct server *server)
{
    struct client *client = server->client;

    stream_send(&client->stream, server->session->excuse, server->session->excuse_bytes);
    relay_error_forget(server);
}
