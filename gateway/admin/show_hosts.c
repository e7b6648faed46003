/* SPDX-License-Identifier: PostgreSQL
 * show_hosts - the rows behind SHOW HOSTS: the PostgreSQL servers of each upstream, and what they are. */
#include "gateway/admin/show_state.h"

#include "gateway/admin/rows.h"
#include "gateway/base/clock.h"
#include "gateway/control/control.h"
#include "gateway/gateway.h"
#include "gateway/worker.h"
#include "router/hosts.h"

static const char *patroni_text(int word)
{
    static const char *const texts[] = {[PATRONI_SILENT] = "", [PATRONI_LEADER] = "leader",
                                        [PATRONI_MEMBER] = "member", [PATRONI_ABSENT] = "absent"};

    return texts[word];
}

static const char *said_text(int said)
{
    static const char *const texts[] = {[SAID_NOTHING] = "", [SAID_WRITABLE] = "primary",
                                        [SAID_STANDBY] = "standby", [SAID_NO] = "failed"};

    return texts[said];
}

static void add_host(struct worker *worker, struct rows *rows, const struct upstream *upstream,
                     struct host *host)
{
    const struct host_addresses *found = atomic_load(&host->addresses);
    char address[ADDRESS_TEXT_BYTES] = "";
    struct host_facts facts;
    bool known = controls_facts(&worker->gateway->controls, host, &facts);

    if (found != NULL)
        address_print(&found->items[0], address, sizeof address);
    rows_begin(rows);
    rows_text(rows, upstream->name);
    rows_text(rows, host->name);
    rows_number(rows, (uint64_t)host->port);
    rows_text(rows, address);
    rows_text(rows, host_role_name((enum host_role)atomic_load(&host->role)));
    rows_text(rows, patroni_text(atomic_load(&host->patroni)));
    rows_number(rows, atomic_load(&host->lag_us) / 1000);
    rows_number(rows, known ? (uint64_t)facts.timeline : 0);
    rows_number(rows, (uint64_t)atomic_load(&host->open));
    rows_number(rows, known ? (clock_now_us() - facts.answered_us) / 1000 : 0);
    rows_text(rows, said_text(atomic_load(&host->said)));
    rows_number(rows, atomic_load(&host->epoch));
    rows_end(rows);
}

void show_hosts(struct worker *worker, struct rows *rows)
{
    const struct upstreams *upstreams = worker->generation->upstreams;

    for (size_t i = 0; i < upstreams->count; i++)
        for (size_t h = 0; h < upstreams->items[i].host_count; h++)
            add_host(worker, rows, &upstreams->items[i], &upstreams->items[i].hosts[h]);
}
