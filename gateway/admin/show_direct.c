/* SPDX-License-Identifier: PostgreSQL
 * show_direct - the rows behind SHOW DIRECT: direct sessions, what they moved, and how fast their route
 * may. */
#include "gateway/admin/show_direct.h"

#include "gateway/admin/rows.h"
#include "gateway/base/clock.h"
#include "gateway/client.h"
#include "gateway/direct.h"
#include "gateway/direct_login.h"
#include "gateway/throttles.h"
#include "gateway/worker.h"

static void add_direct(struct rows *rows, const struct client *client, uint64_t now_us)
{
    const struct direct *direct = client->direct;
    uint64_t seconds = (now_us - direct->began_us) / 1000000, to_server, to_client;
    const struct pool_options *options = &client->verdict.route->pool;
    int64_t limit = atomic_load(&direct->bulk->throttle.rate);
    char peer[ADDRESS_TEXT_BYTES];

    address_print(&client->peer, peer, sizeof peer);
    direct_traffic(client, &to_server, &to_client);
    rows_begin(rows);
    rows_number(rows, client->id);
    rows_text(rows, client->identity.user);
    rows_text(rows, client->identity.database);
    rows_text(rows, client->identity.application_name);
    rows_text(rows, peer);
    rows_text(rows, class_name(client->verdict.class));
    rows_text(rows, client->verdict.route->name);
    rows_number(rows, direct->backend_pid);
    rows_number(rows, seconds);
    rows_number(rows, to_server);
    rows_number(rows, to_client);
    rows_number(rows, seconds == 0 ? to_server + to_client : (to_server + to_client) / seconds);
    rows_number(rows, (uint64_t)atomic_load(&direct->bulk->moved));
    if (limit == 0)
        rows_text(rows, NULL);
    else
        rows_number(rows, (uint64_t)limit);
    rows_text(rows, options->max_rate == RATE_ADAPTIVE ? "adaptive"
                    : options->max_rate == 0           ? "none"
                                                       : "fixed");
    rows_text(rows, list_empty(&direct->up.held) && list_empty(&direct->down.held) ? "no" : "yes");
    rows_end(rows);
}

void show_direct(struct worker *worker, struct rows *rows)
{
    uint64_t now_us = clock_now_us();

    list_each(link, following, &worker->clients) {
        const struct client *client = list_entry(link, struct client, link);

        if (client->state == CLIENT_DIRECT && client->direct != NULL)
            add_direct(rows, client, now_us);
    }
}
