/* SPDX-License-Identifier: PostgreSQL
 * relay_state - what a session left in its server, by PostgreSQL's own word. Sessions that never touch
 * session state have no suspicion and come by here without a step. */
#include "gateway/relay_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/log.h"
#include "gateway/catalog.h"
#include "gateway/client.h"
#include "gateway/gateway.h"
#include "gateway/notify/notify.h"
#include "gateway/relay.h"
#include "gateway/relay_names.h"
#include "gateway/relay_sequence.h"
#include "gateway/session/probe.h"
#include "gateway/session/suspicion.h"
#include "gateway/worker.h"

bool state_make_suspicion(struct client *client)
{
    if (client->suspicion == NULL)
        client->suspicion = suspicion_new();
    if (client->suspicion != NULL)
        return true;
    client_close(client, REASON_MEMORY, NULL);
    return false;
}

static bool names(const struct statement_facts *facts, const char *name)
{
    for (uint32_t i = 0; i < facts->settings.count; i++)
        if (strcmp(facts->settings.names[i], name) == 0)
            return true;
    return false;
}

/* What texts mean, and where they end, is decided by two settings: nothing more is read before they are
 * answered. With another encoding the values of all others are other bytes. */
static void read_anew(struct client *client, const struct statement_facts *facts)
{
    bool encoding = names(facts, "client_encoding");

    if (encoding)
        client->suspicion->settings_all = true;
    if (encoding || names(facts, "standard_conforming_strings"))
        client->relay.reads_anew = true;
}

bool state_may_have(const struct client *client, uint32_t pin)
{
    const struct suspicion *suspicion = client->suspicion;
    uint32_t open = PIN_BIT(ANYTHING) | PIN_BIT(UNSURE) | pin;

    if ((client->pins & open) != 0)
        return true;
    return suspicion != NULL && ((suspicion->suspects & open) != 0 ||
                                 (suspicion->probe != NULL && (suspicion->probe->suspects & pin) != 0));
}

/* CREATE FUNCTION ... LANGUAGE c loads the library, as LOAD does. */
static bool makes_c_function(const char *text, size_t length)
{
    static const char word[] = "language c";

    for (size_t i = 0; i + sizeof word - 1 <= length; i++)
        if (strncasecmp(text + i, word, sizeof word - 1) == 0 &&
            (i + sizeof word - 1 == length || strchr(" ;\n\t'\"", text[i + sizeof word - 1]) != NULL))
            return true;
    return false;
}

/* What the text alone does not show: EXECUTE runs what PREPARE took, and with pg_temp in front of the
 * search path every table is a temporary one. */
static uint32_t beyond_text(const struct client *client, const struct statement_facts *facts,
                            const char *text, size_t length)
{
    const char *path = facts->ddl ? settings_value(client->settings, "search_path") : NULL;
    uint32_t more = 0;

    if (facts->executes && state_may_have(client, PIN_BIT(PREPARE)))
        more |= PIN_BIT(ANYTHING);
    if (path != NULL && strstr(path, "pg_temp") != NULL)
        more |= PIN_BIT(TEMPORARY);
    if (facts->routines_change && makes_c_function(text, length))
        more |= PIN_BIT(LOAD);
    return more;
}

/* A setting may be left whose name nobody knows: where functions are known to make up names the session
 * stays; where nothing was read yet its server is given to nobody else. */
static void note_nameless(struct client *client)
{
    client->suspicion->nameless = true;
    if (catalog_names_computed(client->shard))
        client->suspicion->suspects |= PIN_BIT(UNKNOWN_SETTING);
}

/* DO and CALL change no function by themselves. */
static bool runs_code(const char *text, size_t length)
{
    while (length > 0 && strchr(" \t\n\r", *text) != NULL) {
        text++;
        length--;
    }
    return (length > 2 && strncasecmp(text, "do", 2) == 0) ||
           (length > 4 && strncasecmp(text, "call", 4) == 0);
}

static void add_name(void *owner, const char *name)
{
    suspicion_name(owner, name);
}

bool state_suspect(struct client *client, const struct statement_facts *facts, const char *text,
                   size_t length)
{
    struct server *server = client->server;
    uint32_t more = facts->executes || facts->ddl ? beyond_text(client, facts, text, length) : 0;
    bool in_block = server->status != 'I' || facts->transaction_block;

    if (facts->settings_reset && (facts->settings_all || names(facts, "application_name")) &&
        strcmp(server->startup_name, client->identity.startup_name) != 0)
        client->relay.name_reset = NAME_MAY_RESET;

    if (facts->draws)
        sequence_drew(client, true);
    client->relay.defaults_changed = client->relay.defaults_changed || facts->defaults_change;
    client->relay.changes_routines = client->relay.changes_routines || facts->routines_change;
    if (facts->routines_change && !runs_code(text, length))
        catalog_names_see(client->shard, text, length);
    if (facts->notifies && client->listening != NULL && facts->suspects == 0)
        notify_after(client, facts);
    if (facts->database_change)
        pools_close_idle(&client->worker->gateway->pools, text, length);
    if ((facts->suspects | more) == 0 || client->relay.dedicated)
        return true;
    if (client->listening != NULL)
        notify_after(client, facts);
    if ((facts->suspects | more) == PIN_BIT(LISTEN) && notify_suspect(client))
        return true;
    if (!state_make_suspicion(client))
        return false;
    suspicion_add(client->suspicion, facts, text, length, in_block);
    client->suspicion->suspects |= more;
    if ((client->suspicion->suspects & PIN_BIT(ANYTHING)) != 0 &&
        !catalog_names_each(client->shard, add_name, client->suspicion))
        note_nameless(client);
    if ((facts->suspects & PIN_BIT(LISTEN)) != 0 && notify_suspect(client))
        client->suspicion->suspects &= ~PIN_BIT(LISTEN);
    read_anew(client, facts);
    return true;
}

const char *state_about_to_set(struct client *client, const char *name)
{
    if (client->suspicion == NULL)
        client->suspicion = suspicion_new();
    if (client->suspicion == NULL)
        return NULL;
    return strcpy(client->suspicion->sets, name);
}

bool state_is_open(const struct client *client)
{
    const struct suspicion *suspicion = client->suspicion;

    return suspicion != NULL && (suspicion->suspects != 0 || suspicion->probe != NULL);
}

static void take_pins(struct client *client, uint32_t pins)
{
    if (client->pins == 0 && pins != 0)
        suspicion_keep_text(client->suspicion);
    for (enum pin_reason reason = PIN_NONE + 1; reason < PIN_REASONS; reason++)
        if ((pins & 1u << reason) != 0)
            relay_pin(client, reason);
}

/* Lasting reasons count from now on; those that PostgreSQL can be asked about are left. */
static void take_lasting(struct client *client)
{
    struct suspicion *suspicion = client->suspicion;
    uint32_t lasting = suspicion->suspects & pins_lasting;

    take_pins(client, lasting);
    suspicion->suspects &= ~lasting;
    if (suspicion->stirred)
        suspicion->suspects |= client->pins & ~pins_lasting;
    suspicion->stirred = false;
}

/* Sends the question, if there is one. */
static void ask(struct client *client)
{
    struct suspicion *suspicion = client->suspicion;
    struct probe *probe;
    bool sent;
    char *sql;

    probe = probe_new(suspicion, client->settings, client->pool->user, &sql);
    sent = sql != NULL && relay_send_ours(client->server, sql, PURPOSE_PROBE);
    if (probe == NULL || (sql != NULL && !sent)) {
        probe_free(probe);
        free(sql);
        client_close(client, REASON_MEMORY, NULL);
        return;
    }
    free(sql);
    suspicion_clear(suspicion);
    if (!sent) {
        probe_free(probe);
        return;
    }
    suspicion->probe = probe;
    atomic_fetch_add_explicit(&client->worker->gateway->counters.state_questions, 1, memory_order_relaxed);
}

bool state_is_settled(struct client *client)
{
    struct suspicion *suspicion = client->suspicion;
    const struct relay *relay = &client->relay;

    if (suspicion == NULL || client->relay.dedicated)
        return client->pins == 0;
    if (suspicion->probe != NULL)
        return false;
    if (suspicion->suspects == 0 && !suspicion->stirred)
        return client->pins == 0;
    if (relay->unsynced || relay->copying || relay->passing > 0 || relay->skip_to_sync)
        return false;
    take_lasting(client);
    if (suspicion->suspects == 0)
        suspicion_clear(suspicion);
    else
        ask(client);
    return suspicion->probe == NULL && client->server != NULL && client->pins == 0;
}

static bool may_end_state(const char *tag, size_t length)
{
    static const char *const words[] = {"DROP", "DISCARD", "DEALLOCATE", "DO", "CLOSE", "COMMIT", "CALL",
                                        "ROLLBACK", "UNLISTEN", "RESET", "SET"};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (length >= strlen(words[i]) && memcmp(tag, words[i], strlen(words[i])) == 0)
            return true;
    return false;
}

/* What DISCARD really discarded. Some things that it leaves only the server's end removes. */
static void discarded(struct client *client, const char *tag, size_t length)
{
    bool all = length >= 11 && memcmp(tag, "DISCARD ALL", 11) == 0;

    if (!all && (length < 17 || memcmp(tag, "DISCARD SEQUENCES", 17) != 0))
        return;
    sequence_discarded(client);
    if (all && (client->pins & PIN_BIT(UNKNOWN_SETTING)) != 0) {
        client->pins &= ~PIN_BIT(UNKNOWN_SETTING);
        client->server->marked_for = client->id;
        client->marked = true;
    }
}

static bool is_tag(const char *tag, size_t length, const char *wanted)
{
    return length == strlen(wanted) && memcmp(tag, wanted, length) == 0;
}

void state_executed(struct client *client, const char *tag, size_t length)
{
    if (client->relay.name_reset != NAME_KEPT &&
        (is_tag(tag, length, "RESET") || is_tag(tag, length, "SET") || is_tag(tag, length, "DISCARD ALL")))
        client->relay.name_reset = NAME_WAS_RESET;
    if (length == 15 && memcmp(tag, "COMMIT PREPARED", 15) == 0)
        client->relay.changes_routines = true;
    if (*tag == 'D')
        discarded(client, tag, length);
    if (client->suspicion != NULL && (client->pins & ~pins_lasting) != 0 && may_end_state(tag, length))
        client->suspicion->stirred = true;
}

void state_transaction_ended(struct client *client)
{
    client->relay.drew_now = false;
    if ((client->pins & PIN_BIT(UNSURE)) != 0)
        client->suspicion->stirred = true;
    if (client->relay.changes_routines)
        catalog_changed(client->shard);
    if (client->relay.defaults_changed)
        atomic_fetch_add(&client->worker->gateway->pools.epoch, 1);
    client->relay.changes_routines = client->relay.defaults_changed = false;
}

void state_closed(struct server *server)
{
    struct client *client = server->client;

    if (client != NULL && (client->pins & PIN_BIT(PREPARE)) != 0)
        client->suspicion->stirred = true;
}

void state_failed(struct client *client)
{
    if (client->suspicion != NULL && client->suspicion->suspects != 0)
        client->suspicion->in_block = true;
}

void state_answer_row(struct server *server, const unsigned char *body, size_t size)
{
    struct client *client = server->client;

    if (client != NULL && client->suspicion != NULL && client->suspicion->probe != NULL)
        probe_row(client->suspicion->probe, body, size);
}

/* Client and server have the same settings from here on. */
static bool adopt(struct client *client, struct probe *probe)
{
    struct settings_home *home = &client->worker->gateway->settings;
    struct server *server = client->server;
    const struct settings *set, *joined;

    if (!probe_settings(probe, home, client->settings, client->pool->user, &set))
        return false;
    if (!settings_join_customs(home, server->customs, set, &joined)) {
        settings_release(set);
        return false;
    }
    settings_retain(set);
    settings_release(client->settings);
    settings_release(server->settings);
    settings_release(server->customs);
    client->settings = server->settings = set;
    server->customs = joined;
    return true;
}

/* Where PostgreSQL could not answer the session stays on its server, and is asked about after the next
 * transaction again. */
void state_answer_end(struct server *server, bool failed)
{
    struct client *client = server->client;
    struct suspicion *suspicion = client == NULL ? NULL : client->suspicion;
    struct probe *probe = suspicion == NULL ? NULL : suspicion->probe;
    uint32_t before;

    if (probe == NULL)
        return;
    before = client->pins;
    suspicion->probe = NULL;
    if (failed || probe->broken || !adopt(client, probe)) {
        log_debug(client->worker->thread.who, "client=%llu PostgreSQL's answer about its state: %s",
                  (unsigned long long)client->id,
                  failed          ? "an error"
                  : probe->broken ? "not understood"
                                  : "too much");
        relay_pin(client, PIN_UNSURE);
        probe_free(probe);
        return;
    }
    if ((probe->found & PIN_BIT(LISTEN)) != 0 && notify_suspect(client))
        probe->found &= ~PIN_BIT(LISTEN);
    relay_names_found(client, probe);
    take_pins(client, probe->found);
    client->pins &= probe->found | ~(probe->suspects | PIN_BIT(UNSURE) | PIN_BIT(ANYTHING));
    if (probe->temporary_schema || probe->nameless) {
        server->marked_for = client->id;
        client->marked = true;
    }
    if (before != 0 && client->pins == 0)
        log_debug(client->worker->thread.who, "client=%llu may change its server connection again",
                  (unsigned long long)client->id);
    probe_free(probe);
}

void state_free(struct client *client)
{
    if (client->suspicion != NULL)
        probe_free(client->suspicion->probe);
    suspicion_free(client->suspicion);
    client->suspicion = NULL;
    settings_release(client->settings);
    client->settings = NULL;
    free(client->identity.changed_name);
}
