/* SPDX-License-Identifier: PostgreSQL
 * show_budget - the rows behind SHOW BUDGET and BUDGET_LIMITS: who has how many of PostgreSQL's
 * connections. */
#include "gateway/admin/show_budget.h"

#include "gateway/admin/rows.h"
#include "gateway/control/ledgers.h"
#include "gateway/gateway.h"
#include "gateway/worker.h"
#include "router/budgets.h"

/* NULL where there is no limit. */
static void add_limit(struct rows *rows, int limit)
{
    if (limit >= BUDGET_UNLIMITED)
        rows_text(rows, NULL);
    else
        rows_format(rows, "%d", limit);
}

/* Nothing of it is known unless PostgreSQL could be asked. */
static void add_counted(struct rows *rows, const struct budget_view *view)
{
    const int numbers[] = {view->max_connections, view->reserve, view->foreign, view->gateways,
                           view->others_use};

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (view->gateways == 0)
            rows_text(rows, NULL);
        else
            rows_format(rows, "%d", numbers[i]);
    }
}

static void add_budget(struct gateway *gateway, struct rows *rows, struct budget *budget)
{
    struct budget_view view;
    char source[256];

    budget_look(budget, &view);
    ledgers_source(&gateway->ledgers, budget, &view, source, sizeof source);
    rows_begin(rows);
    rows_format(rows, "%s:%d", budget->host, budget->port);
    rows_text(rows, source);
    add_counted(rows, &view);
    rows_format(rows, "%d", view.headroom);
    add_limit(rows, view.capacity);
    for (int share = 0; share < SHARES; share++) {
        rows_format(rows, "%d", view.used[share]);
        if (share == SHARE_REPLICATION)
            add_limit(rows, view.senders);
        else
            rows_format(rows, "%d", view.floors[share]);
        rows_format(rows, "%d", view.waiting[share]);
    }
    rows_number(rows, atomic_load(&budget->waits));
    rows_number(rows, atomic_load(&budget->evictions));
    rows_number(rows, atomic_load(&budget->refusals));
    rows_end(rows);
}

void show_budget(struct worker *worker, struct rows *rows)
{
    struct gateway *gateway = worker->gateway;

    pthread_mutex_lock(&gateway->budgets.lock);
    list_each(link, following, &gateway->budgets.all)
        add_budget(gateway, rows, list_entry(link, struct budget, link));
    pthread_mutex_unlock(&gateway->budgets.lock);
}

static void add_party(const struct budget *budget, const struct party *party, void *owner)
{
    static const char *const kinds[] = {"route", "database", "user"};
    struct rows *rows = owner;

    rows_begin(rows);
    rows_format(rows, "%s:%d", budget->host, budget->port);
    rows_text(rows, kinds[party->kind]);
    rows_text(rows, party->name);
    rows_format(rows, "%d", party->used);
    rows_format(rows, "%d", party->foreign);
    rows_number(rows, party->waits);
    add_limit(rows, party->configured == 0 ? BUDGET_UNLIMITED : party->configured);
    add_limit(rows, party->granted);
    add_limit(rows, party->ceiling);
    rows_end(rows);
}

void show_budget_limits(struct worker *worker, struct rows *rows)
{
    struct gateway *gateway = worker->gateway;

    pthread_mutex_lock(&gateway->budgets.lock);
    list_each(link, following, &gateway->budgets.all)
        budget_each_party(list_entry(link, struct budget, link), add_party, rows);
    pthread_mutex_unlock(&gateway->budgets.lock);
}
