/* SPDX-License-Identifier: PostgreSQL
 * console - the admin console: reads commands, checks who may give them, starts their round. */
#include "gateway/admin/console.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/admin/show.h"
#include "gateway/admin/tour.h"
#include "gateway/base/fault.h"
#include "gateway/client.h"
#include "gateway/gateway.h"
#include "gateway/login.h"
#include "gateway/reply.h"
#include "gateway/serve.h"
#include "gateway/version.h"
#include "gateway/wire/fields.h"
#include "gateway/wire/frame.h"
#include "gateway/wire/write.h"
#include "gateway/worker.h"

enum { MESSAGE_MAX_BYTES = 65536 };

static bool listed(const struct strings *users, const char *user)
{
    for (size_t i = 0; i < users->count; i++)
        if (strcmp(users->items[i], user) == 0)
            return true;
    return false;
}

static void send_empty(struct client *client, char type)
{
    const unsigned char message[] = {(unsigned char)type, 0, 0, 0, 4};

    stream_send(&client->stream, message, sizeof message);
}

/* Folds white space and drops the semicolon: "show  clients;" becomes "show clients". */
static void tidy(const char *text, size_t length, char command[CONSOLE_COMMAND_BYTES])
{
    size_t used = 0;

    for (size_t i = 0; i < length && used < CONSOLE_COMMAND_BYTES - 1; i++) {
        bool space = isspace((unsigned char)text[i]) != 0;

        if (text[i] == '-' && i + 1 < length && text[i + 1] == '-') {
            while (i < length && text[i] != '\n')
                i++;
            continue;
        }
        if (space && (used == 0 || command[used - 1] == ' '))
            continue;
        command[used++] = space ? ' ' : text[i];
    }
    while (used > 0 && (command[used - 1] == ' ' || command[used - 1] == ';'))
        used--;
    command[used] = '\0';
}

static const struct verb *verb_find(const char *name)
{
    static const struct verb verbs[] = {{"RELOAD", serve_reload}, {"SHUTDOWN", serve_shutdown}};

    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcasecmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

static void run(struct client *client, const char *command)
{
    struct console *console = client->console;
    const struct show *show = strncasecmp(command, "SHOW ", 5) == 0 ? show_find(command + 5) : NULL;
    const struct verb *verb = verb_find(command);
    struct fault fault;

    if (show != NULL) {
        tour_show(client, show);
    } else if (verb != NULL && console->admin) {
        tour_verb(client, verb);
    } else if (verb != NULL) {
        fault_set(&fault, "42501", "the command \"%s\" is for admin_users", verb->name);
        tour_fail(client, &fault);
    } else {
        fault_set(&fault, "42601", "invalid command \"%.80s\"", command);
        fault_hint(&fault, "SHOW HELP lists the commands of this console.");
        tour_fail(client, &fault);
    }
}

static void on_query(struct client *client, const char *text, size_t length)
{
    char command[CONSOLE_COMMAND_BYTES];

    client->console->extended = false;
    tidy(text, strnlen(text, length), command);
    if (*command == '\0') {
        send_empty(client, 'I');
        reply_ready(client, 'I');
        return;
    }
    run(client, command);
}

static void on_describe(struct client *client, const unsigned char *body)
{
    static const unsigned char no_parameters[] = {'t', 0, 0, 0, 6, 0, 0};
    const char *command = client->console->command;
    const struct show *show = strncasecmp(command, "SHOW ", 5) == 0 ? show_find(command + 5) : NULL;

    if (*body == 'S')
        stream_send(&client->stream, no_parameters, sizeof no_parameters);
    if (show != NULL)
        tour_describe(client, show);
    else
        send_empty(client, 'n');
}

static void on_extended(struct client *client, char type, const unsigned char *body, size_t size)
{
    struct parse_fields parse;

    switch (type) {
    case 'P':
        if (fields_parse(body, size, &parse))
            tidy(parse.query, parse.query_length, client->console->command);
        send_empty(client, '1');
        return;
    case 'B':
        send_empty(client, '2');
        return;
    case 'C':
        send_empty(client, '3');
        return;
    case 'D':
        on_describe(client, size > 0 ? body : (const unsigned char *)"P");
        return;
    default:
        client->console->extended = true;
        if (*client->console->command == '\0')
            send_empty(client, 'I');
        else
            run(client, client->console->command);
    }
}

static void on_message(struct client *client, char type, const unsigned char *body, size_t size)
{
    if (type == 'X') {
        client_close(client, REASON_CLIENT_LEFT, NULL);
    } else if (type == 'S') {
        client->console->skip_to_sync = false;
        reply_ready(client, 'I');
    } else if (client->console->skip_to_sync || type == 'H') {
        return;
    } else if (type == 'Q') {
        on_query(client, (const char *)body, size);
    } else if (strchr("PBCDE", type) != NULL && type != '\0') {
        on_extended(client, type, body, size);
    } else {
        client_close(client, REASON_MESSAGE_TYPE, "the console takes queries");
    }
}

static size_t console_received(struct stream *stream, const unsigned char *bytes, size_t length)
{
    struct client *client = list_entry(stream, struct client, stream);
    size_t used = 0;
    struct frame frame;

    while (used < length && client->console != NULL && !client->console->touring) {
        enum frame_result result = frame_peek(bytes + used, length - used, &frame);

        if (result == FRAME_BAD || (result == FRAME_OK && frame.size > MESSAGE_MAX_BYTES)) {
            client_close(client, REASON_MESSAGE_LENGTH, NULL);
            return length;
        }
        if (result == FRAME_SHORT || frame.size > length - used)
            break;
        on_message(client, frame.type, bytes + used + FRAME_HEADER_BYTES, frame.size - FRAME_HEADER_BYTES);
        used += frame.size;
    }
    if (client->console == NULL)
        return length;
    if (length - used > 2 * MESSAGE_MAX_BYTES)
        stream_pause(stream);
    return used;
}

static void console_drained(struct stream *stream)
{
    stream_resume(stream);
}

static void console_ended(struct stream *stream, int error)
{
    client_close(list_entry(stream, struct client, stream), REASON_CLIENT_LOST,
                 error == 0 ? NULL : strerror(error));
}

static const struct stream_events console_events = {.received = console_received,
                                                    .drained = console_drained,
                                                    .ended = console_ended,
                                                    .released = client_released};

static void welcome(struct client *client)
{
    static const char *const parameters[][2] = {{"server_version", "15.0-pgsluice-" PGSLUICE_VERSION},
                                                {"server_encoding", "UTF8"},
                                                {"client_encoding", "UTF8"},
                                                {"DateStyle", "ISO, MDY"},
                                                {"TimeZone", "UTC"},
                                                {"integer_datetimes", "on"},
                                                {"standard_conforming_strings", "on"},
                                                {"is_superuser", "off"}};
    unsigned char message[1024];
    struct builder builder;

    builder_init(&builder, message, sizeof message);
    write_authentication(&builder, 0, NULL, 0);
    for (size_t i = 0; i < sizeof parameters / sizeof *parameters; i++)
        write_parameter_status(&builder, parameters[i][0], parameters[i][1]);
    write_backend_key(&builder, client->key.pid, client->secret, client->key.secret_bytes);
    write_ready(&builder, 'I');
    stream_send(&client->stream, builder.bytes, builder.used);
}

void console_begin(struct client *client)
{
    const struct snapshot *snapshot = client->generation->snapshot;
    bool admin = listed(&snapshot->admin_users, client->identity.user);
    struct fault fault;

    if (!admin && !listed(&snapshot->stats_users, client->identity.user)) {
        fault_set(&fault, "42501", "user \"%s\" may not use the admin console", client->identity.user);
        fault_hint(&fault, "Add the user to admin_users or stats_users in the admin group.");
        client_refuse(client, &fault);
        return;
    }
    client->console = calloc(1, sizeof *client->console);
    if (client->console == NULL) {
        client_close(client, REASON_MEMORY, NULL);
        return;
    }
    client->console->admin = admin;
    client_make_key(client, 0, 4);
    login_abandon(client);
    client_enter(client, CLIENT_CONSOLE);
    client->stream.events = &console_events;
    atomic_fetch_add(&client->worker->gateway->counters.logins_done, 1);
    welcome(client);
    stream_resume(&client->stream);
}

void console_end(struct client *client)
{
    free(client->console);
    client->console = NULL;
}
