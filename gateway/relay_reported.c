/* SPDX-License-Identifier: PostgreSQL
 * relay_reported - settings that PostgreSQL reports: what the client is called, how its texts are read, and
 * that something changed which no text showed. */
#include <stdlib.h>
#include <string.h>

#include "gateway/client.h"
#include "gateway/relay.h"
#include "gateway/relay_state.h"
#include "gateway/session/suspicion.h"
#include "gateway/wire/write.h"

/* The name of the moment: what the client said by SET; after RESET its startup's, where PostgreSQL reports
 * the one that the server was opened with, unless the client's was put there meanwhile. */
static enum state_report rename_application(struct client *client, const char *value)
{
    struct suspicion *suspicion = client->suspicion;
    struct identity *identity = &client->identity;
    bool own = strcmp(value, identity->startup_name) == 0;
    bool reset = suspicion != NULL && suspicion->settings_reset &&
                 (own || strcmp(value, client->server->startup_name) == 0);
    bool told = strcmp(identity->application_name, identity->startup_name) == 0;
    char *copy;

    if (reset) {
        identity->application_name = identity->startup_name;
        return told ? REPORT_SWALLOWED : REPORT_REPLACED;
    }
    copy = strdup(value);
    if (copy == NULL)
        return REPORT_FORWARDED;
    free(identity->changed_name);
    identity->changed_name = copy;
    identity->application_name = copy;
    return REPORT_FORWARDED;
}

void state_send_name(struct client *client)
{
    unsigned char message[2 * APPLICATION_NAME_BYTES + 64];
    struct builder builder;

    builder_init(&builder, message, sizeof message);
    write_parameter_status(&builder, "application_name", client->identity.startup_name);
    if (builder_ok(&builder))
        stream_send(&client->stream, builder.bytes, builder.used);
}

static bool is_opaque(const char *encoding)
{
    static const char *const opaque[] = {"SJIS", "SHIFT_JIS_2004", "BIG5", "GBK", "GB18030", "UHC", "JOHAB"};

    for (size_t i = 0; i < sizeof opaque / sizeof *opaque; i++)
        if (strcmp(encoding, opaque[i]) == 0)
            return true;
    return false;
}

void state_note_reading(struct relay *relay, const char *name, const char *value)
{
    if (strcmp(name, "standard_conforming_strings") == 0)
        relay->plain_backslashes = strcmp(value, "off") == 0;
    if (strcmp(name, "client_encoding") == 0)
        relay->opaque_encoding = is_opaque(value);
}

enum state_report state_reported(struct client *client, const char *name, const char *value)
{
    struct statement_facts facts = {.suspects = PIN_BIT(SETTING)};

    if (strcmp(name, "application_name") == 0)
        return rename_application(client, value);
    state_note_reading(&client->relay, name, value);
    if (client->relay.opaque_encoding)
        relay_pin(client, PIN_ENCODING);
    else
        client->pins &= ~PIN_BIT(ENCODING);
    if (strcmp(name, "is_superuser") == 0 || strcmp(name, "session_authorization") == 0 ||
        client->relay.dedicated || !state_make_suspicion(client))
        return REPORT_FORWARDED;
    if ((client->suspicion->suspects & PIN_BIT(SETTING)) == 0) { /* by a way that no text showed */
        facts.settings_all = true;
        suspicion_add(client->suspicion, &facts, name, strlen(name), true);
    }
    return REPORT_FORWARDED;
}
