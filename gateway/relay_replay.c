/* SPDX-License-Identifier: PostgreSQL
 * relay_replay - a server that was just linked gets the client's settings, in the same write as what the
 * client says where that cannot fail. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/fault.h"
#include "gateway/base/log.h"
#include "gateway/client.h"
#include "gateway/gateway.h"
#include "gateway/relay.h"
#include "gateway/relay_place.h"
#include "gateway/relay_state.h"
#include "gateway/reply.h"
#include "gateway/session/suspicion.h"
#include "gateway/wire/fields.h"
#include "gateway/worker.h"

enum { REPLAYS_MAX = 3, QUERY_OVERHEAD = 6 };

bool relay_send_ours(struct server *server, const char *sql, enum owed_purpose purpose)
{
    const struct owed owed = {.kind = OWED_QUERY, .ours = true, .purpose = (uint8_t)purpose};
    size_t body = strlen(sql) + 1;
    uint32_t length = (uint32_t)body + 4;
    const unsigned char header[] = {'Q', (unsigned char)(length >> 24), (unsigned char)(length >> 16),
                                    (unsigned char)(length >> 8), (unsigned char)length};

    if (!owed_push(&server->session->owed, &owed))
        return false;
    stream_send(&server->stream, header, sizeof header);
    stream_send(&server->stream, sql, body);
    server->session->unnamed_of = 0;
    return true;
}

static bool set_name(struct client *client, const char *name)
{
    char sql[2 * APPLICATION_NAME_BYTES + 40];
    size_t used = (size_t)snprintf(sql, sizeof sql, "SET application_name = E'");

    for (const char *at = name; *at != '\0'; at++) {
        if (*at == '\'' || *at == '\\')
            sql[used++] = *at;
        sql[used++] = *at;
    }
    memcpy(sql + used, "'", 2);
    return place_aside(client, sql);
}

/* application_name is the one startup parameter that is replayed instead of being part of the profile. */
static bool replay_name(struct client *client)
{
    const char *name = client->identity.application_name, *first = client->identity.startup_name;
    struct server *server = client->server;

    if (strcmp(name, server->application_name) == 0)
        return true;
    snprintf(server->application_name, sizeof server->application_name, "%s", name);
    if (name == first && strcmp(first, server->startup_name) == 0)
        return place_aside(client, "RESET application_name");
    return set_name(client, name);
}

bool replay_reset_name(struct client *client)
{
    enum name_reset reset = client->relay.name_reset;

    client->relay.name_reset = NAME_KEPT;
    if (reset == NAME_KEPT || client->server->status == 'E')
        return true;
    if (client->relay.unsynced)
        return reset == NAME_MAY_RESET || set_name(client, client->identity.startup_name);
    return replay_name(client);
}

bool replay_awaits_name(const struct client *client)
{
    const struct server *server = client->server;

    return client->waiter.named && strcmp(server->startup_name, client->identity.startup_name) != 0 &&
           server->status == 'I' && client->pins == 0 && !client->relay.unsynced &&
           server->session->owed.count > 0;
}

static bool send_change(struct server *server, const struct settings *to, enum settings_stage stage)
{
    bool sent;
    char *sql;

    if (!settings_change(server->settings, to, stage, &sql))
        return false;
    sent = sql == NULL || relay_send_ours(server, sql, PURPOSE_REPLAY);
    free(sql);
    return sent;
}

static bool note_customs(struct client *client, struct server *server)
{
    const struct settings *joined;

    if (!settings_join_customs(&client->worker->gateway->settings, server->customs, client->settings,
                               &joined))
        return false;
    settings_release(server->customs);
    server->customs = joined;
    return true;
}

bool replay_settings(struct client *client)
{
    struct server *server = client->server;

    if (!replay_name(client))
        return true; /* the session was ended */
    if (server->settings == client->settings)
        return true;
    if (settings_must_wait(server->settings, client->settings)) {
        client->relay.reserved = true;
        client->relay.barrier = true;
    }
    if (!note_customs(client, server) || !send_change(server, client->settings, SETTINGS_ENCODING) ||
        !send_change(server, client->settings, SETTINGS_REST))
        return false;
    settings_retain(client->settings);
    settings_release(server->settings);
    server->settings = client->settings;
    if (server->session->owed.count == 0)
        client->relay.reserved = client->relay.barrier = false;
    return true;
}

/* The message of the client was not sent yet: it is answered by this error, and the session goes on. */
static void tell(struct client *client, const struct error_fields *fields)
{
    struct fault fault;

    fault_set(&fault, *fields->sqlstate == '\0' ? "XX000" : fields->sqlstate,
              "the settings of this session could not be put on another server connection: %s",
              fields->message);
    fault_hint(&fault, "RESET ALL, or RESET ROLE where a role was dropped, makes the session usable again.");
    reply_error(client, "ERROR", &fault);
    client->relay.refused = true;
}

void replay_failed(struct server *server, const struct error_fields *fields)
{
    struct client *client = server->client;
    bool waits = client->relay.reserved;

    log_info(client->worker->thread.who, "client=%llu its settings were not taken by another server: %s %s",
             (unsigned long long)client->id, fields->sqlstate, fields->message);
    if (!waits) {
        relay_server_lost(server, "it did not take the session's settings");
        return;
    }
    client->server = NULL;
    server->client = NULL;
    client->relay.reserved = client->relay.barrier = false;
    client_enter(client, CLIENT_IDLE);
    server_close(server, "it did not take a session's settings");
    if (++client->relay.replays >= REPLAYS_MAX) {
        client->relay.replays = 0;
        tell(client, fields);
    }
    stream_resume(&client->stream);
}
