/* SPDX-License-Identifier: PostgreSQL
 * console - the admin console: lets its users in and reads their messages. */
#include "gateway/admin/console.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/admin/command.h"
#include "gateway/admin/extended.h"
#include "gateway/admin/tour.h"
#include "gateway/base/fault.h"
#include "gateway/client.h"
#include "gateway/gateway.h"
#include "gateway/login.h"
#include "gateway/reply.h"
#include "gateway/version.h"
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

static void on_query(struct client *client, const char *text, size_t length)
{
    struct console *console = client->console;
    char command[CONSOLE_COMMAND_BYTES];

    console->extended = false;
    console->portal = NULL;
    held_drop(&console->statements, held_find(&console->statements, ""));
    command_tidy(text, strnlen(text, length), command);
    if (*command == '\0') {
        extended_answer(client, 'I');
        reply_ready(client, console->status);
        return;
    }
    command_run(client, command);
}

static void on_sync(struct client *client)
{
    struct console *console = client->console;

    console->skip_to_sync = false;
    if (console->status == 'I')
        helds_clear(&console->portals);
    reply_ready(client, console->status);
}

static void on_message(struct client *client, char type, const unsigned char *body, size_t size)
{
    if (type == 'X') {
        client_close(client, REASON_CLIENT_LEFT, NULL);
    } else if (type == 'S') {
        on_sync(client);
    } else if (client->console->skip_to_sync || type == 'H') {
        return;
    } else if (type == 'Q') {
        on_query(client, (const char *)body, size);
    } else if (strchr("PBCDE", type) != NULL && type != '\0') {
        extended_message(client, type, body, size);
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
    client->console->status = 'I';
    helds_init(&client->console->statements);
    helds_init(&client->console->portals);
    client_make_key(client, 0, 4);
    login_abandon(client);
    client_enter(client, CLIENT_CONSOLE);
    atomic_fetch_add(&client->worker->gateway->consoles, 1);
    client->stream.events = &console_events;
    atomic_fetch_add(&client->worker->gateway->counters.logins_done, 1);
    welcome(client);
    stream_resume(&client->stream);
}

void console_end(struct client *client)
{
    if (client->console == NULL)
        return;
    atomic_fetch_sub(&client->worker->gateway->consoles, 1);
    helds_clear(&client->console->statements);
    helds_clear(&client->console->portals);
    free(client->console);
    client->console = NULL;
}
