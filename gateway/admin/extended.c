/* SPDX-License-Identifier: PostgreSQL
 * extended - the console's extended protocol. */
#include "gateway/admin/extended.h"

#include <stdio.h>
#include <string.h>

#include "gateway/admin/command.h"
#include "gateway/admin/tour.h"
#include "gateway/base/fault.h"
#include "gateway/client.h"
#include "gateway/wire/fields.h"

void extended_answer(struct client *client, char type)
{
    const unsigned char message[] = {(unsigned char)type, 0, 0, 0, 4};

    stream_send(&client->stream, message, sizeof message);
}

static bool broken(struct fault *fault)
{
    return fault_set(fault, "08P01", "expected a whole message of the extended protocol");
}

static bool on_parse(struct client *client, const void *body, size_t size, struct fault *fault)
{
    struct parse_fields parse;
    struct held *statement;

    if (!fields_parse(body, size, &parse))
        return broken(fault);
    statement = held_add(&client->console->statements, "prepared statement", parse.name, fault);
    if (statement == NULL)
        return false;
    command_tidy(parse.query, parse.query_length, statement->command);
    extended_answer(client, '1');
    return true;
}

static struct held *statement_named(struct client *client, const char *name, struct fault *fault)
{
    struct held *statement = held_find(&client->console->statements, name);

    if (statement == NULL)
        fault_set(fault, "26000", "prepared statement \"%.63s\" does not exist", name);
    return statement;
}

static struct held *portal_named(struct client *client, const char *name, struct fault *fault)
{
    struct held *portal = held_find(&client->console->portals, name);

    if (portal == NULL)
        fault_set(fault, "34000", "portal \"%.63s\" does not exist", name);
    return portal;
}

static bool on_bind(struct client *client, const void *body, size_t size, struct fault *fault)
{
    struct helds *portals = &client->console->portals;
    struct held *statement, *portal;
    struct bind_fields bind;

    if (!fields_bind(body, size, &bind))
        return broken(fault);
    statement = statement_named(client, bind.statement, fault);
    portal = statement == NULL ? NULL : held_add(portals, "portal", bind.portal, fault);
    if (portal == NULL)
        return false;
    if (!held_bind(portal, &bind, fault)) {
        held_drop(portals, portal);
        return false;
    }
    strcpy(portal->command, statement->command);
    extended_answer(client, '2');
    return true;
}

static bool on_describe(struct client *client, const void *body, size_t size, struct fault *fault)
{
    static const unsigned char no_parameters[] = {'t', 0, 0, 0, 6, 0, 0};
    const struct show *show;
    const struct held *held;
    const char *name;
    char kind;

    if (!fields_describe(body, size, &kind, &name))
        return broken(fault);
    held = kind == 'S' ? statement_named(client, name, fault) : portal_named(client, name, fault);
    if (held == NULL)
        return false;
    if (kind == 'S')
        stream_send(&client->stream, no_parameters, sizeof no_parameters);
    show = command_show(held->command);
    if (show != NULL)
        tour_describe(client, show, held->binary);
    else
        extended_answer(client, 'n');
    return true;
}

static bool on_close(struct client *client, const void *body, size_t size, struct fault *fault)
{
    struct helds *helds;
    const char *name;
    char kind;

    if (!fields_describe(body, size, &kind, &name))
        return broken(fault);
    helds = kind == 'S' ? &client->console->statements : &client->console->portals;
    held_drop(helds, held_find(helds, name));
    extended_answer(client, '3');
    return true;
}

static bool on_execute(struct client *client, const void *body, size_t size, struct fault *fault)
{
    struct console *console = client->console;
    struct reader reader;
    bool executed;

    reader_init(&reader, body, size);
    console->portal = portal_named(client, reader_string(&reader), fault);
    console->row_limit = reader_u32(&reader);
    if (reader.bad)
        return broken(fault);
    if (console->portal == NULL)
        return false;
    if (console->row_limit > INT32_MAX)
        console->row_limit = 0; /* a negative number is no limit */
    executed = console->portal->executed;
    console->portal->executed = true;
    if (*console->portal->command == '\0')
        extended_answer(client, 'I');
    else if (executed && command_show(console->portal->command) != NULL)
        tour_resume(client);
    else if (executed)
        return fault_set(fault, "55000", "portal \"%s\" cannot be run", console->portal->name);
    else
        command_run(client, console->portal->command);
    return true;
}

void extended_message(struct client *client, char type, const unsigned char *body, size_t size)
{
    static const struct {
        char type;
        bool (*handle)(struct client *client, const void *body, size_t size, struct fault *fault);
    } messages[] = {{'P', on_parse}, {'B', on_bind}, {'D', on_describe}, {'C', on_close}, {'E', on_execute}};
    struct fault fault;

    client->console->extended = true;
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++)
        if (messages[i].type == type && !messages[i].handle(client, body, size, &fault))
            tour_fail(client, &fault);
}
