/* SPDX-License-Identifier: PostgreSQL
 * show_state - the rows behind SHOW PINS, CATALOGS and ROUTINES: who keeps a server, and what is known of
 * functions. */
#include "gateway/admin/show_state.h"

#include <stdio.h>
#include <string.h>

#include "gateway/admin/rows.h"
#include "gateway/base/clock.h"
#include "gateway/catalog.h"
#include "gateway/client.h"
#include "gateway/gateway.h"
#include "gateway/policy.h"
#include "gateway/session/owed.h"
#include "gateway/session/routines.h"
#include "gateway/session/suspicion.h"
#include "gateway/worker.h"
#include "router/hosts.h"

static void add_pin(struct rows *rows, const struct client *client, uint64_t now_us)
{
    char peer[ADDRESS_TEXT_BYTES], pins[256], statement[SUSPECT_TEXT_BYTES + 1];
    const char *idle = client->server->status == 'I' ? "idle" : "idle in transaction";

    address_print(&client->peer, peer, sizeof peer);
    policy_statement(client, statement, sizeof statement);
    rows_begin(rows);
    rows_number(rows, client->id);
    rows_text(rows, client->identity.user);
    rows_text(rows, client->identity.database);
    rows_text(rows, client->identity.application_name);
    rows_text(rows, peer);
    rows_text(rows, client->verdict.route->name);
    rows_text(rows, pins_print(client->pins, pins, sizeof pins));
    rows_number(rows, now_us > client->pinned_us ? (now_us - client->pinned_us) / 1000000 : 0);
    rows_number(rows, client->server->id);
    rows_number(rows, client->server->backend_pid);
    rows_text(rows, client->server->session->owed.count > 0 ? "active" : idle);
    rows_text(rows, statement);
    rows_end(rows);
}

void show_pins(struct worker *worker, struct rows *rows)
{
    uint64_t now_us = clock_now_us();

    list_each(link, following, &worker->clients) {
        const struct client *client = list_entry(link, struct client, link);

        if (client->pinned_us != 0 && client->server != NULL)
            add_pin(rows, client, now_us);
    }
}

static void add_catalog(const struct catalog *catalog, void *owner)
{
    const struct catalog_counts *counts = &catalog->counts;
    struct rows *rows = owner;

    rows_begin(rows);
    rows_text(rows, catalog->database);
    rows_text(rows, catalog->upstream->name);
    rows_text(rows, catalog->shown ? "yes" : "no");
    rows_number(rows, catalog->known == NULL ? 0 : routines_count(catalog->known));
    rows_number(rows, counts->reads == 0 ? 0 : (clock_now_us() - counts->known_since_us) / 1000000);
    rows_number(rows, counts->reads);
    rows_number(rows, counts->checks);
    rows_number(rows, counts->failures);
    rows_number(rows, counts->read_us);
    rows_number(rows, counts->read_bytes);
    rows_end(rows);
}

void show_catalogs(struct worker *worker, struct rows *rows)
{
    catalogs_each(&worker->gateway->catalogs, add_catalog, rows);
}

static void add_routine(struct rows *rows, const char *database, const char *name,
                        const struct routine *routine)
{
    char pins[256] = "";

    if (routine == NULL)
        return;
    if (routine->suspects != 0)
        (void)pins_print(routine->suspects, pins, sizeof pins);
    rows_begin(rows);
    rows_text(rows, database);
    rows_text(rows, name);
    rows_format(rows, "%s%s%s", pins, routine->notifies ? " notify" : "",
                routine->routines_change ? " routines" : "");
    rows_end(rows);
}

static void add_routines(const struct catalog *catalog, void *owner)
{
    const struct routine *routine;

    if (catalog->known == NULL)
        return;
    add_routine(owner, catalog->database, "(any statement)", routines_always(catalog->known));
    add_routine(owner, catalog->database, "(any DDL)", routines_on_ddl(catalog->known));
    for (size_t i = 0; (routine = routines_at(catalog->known, i)) != NULL; i++)
        add_routine(owner, catalog->database, routine->name, routine);
}

void show_routines(struct worker *worker, struct rows *rows)
{
    catalogs_each(&worker->gateway->catalogs, add_routines, rows);
}
