/* SPDX-License-Identifier: PostgreSQL
 * ledgers - keeps the budget of each PostgreSQL server up to date. */
#include "gateway/control/ledgers.h"

#include <stdio.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/control/control.h"
#include "gateway/gateway.h"
#include "gateway/worker.h"
#include "router/budget_news.h"
#include "router/evict.h"
#include "router/hosts.h"

#define TICK_SECONDS 0.2

/* MEANWHILE: connections until the first answer, a fraction of a second after the start. */
enum { TICKS_A_SECOND = 5, MEANWHILE = 8 };

void ledgers_attach(struct budgets *budgets, struct upstreams *upstreams)
{
    for (size_t i = 0; i < upstreams->count; i++)
        for (size_t h = 0; h < upstreams->items[i].host_count; h++) {
            struct host *host = &upstreams->items[i].hosts[h];

            host->budget = budgets_get(budgets, host->name, host->port);
        }
}

static void on_wake(struct budgets *budgets)
{
    struct gateway *gateway = list_entry(budgets, struct gateway, budgets);

    for (int i = 0; i < gateway->worker_count; i++)
        worker_send_room(&gateway->workers[i]);
}

/* What this gateway uses and wants, as the others hear it. */
static void announce(const struct control *control, int *want, int *use)
{
    struct gateway *gateway = control->controls->gateway;
    struct budget *budget = control->host->budget;
    int idle, more;

    if (budget == NULL)
        return;
    evict_survey(&gateway->pools, budget, &idle, &more);
    *want = budget_demand_of(budget, idle, more);
    *use = budget_used(budget);
}

/* This gateway's own demand, and the others'. */
static void gateways_count(const struct control *control, const struct census *census,
                           struct budget_demand demands[BUDGET_GATEWAYS_MAX], struct budget_count *counted)
{
    int want = 0, use = 0;

    announce(control, &want, &use);
    demands[0] = (struct budget_demand){control->controls->id, want};
    counted->gateway_count = 1;
    for (size_t i = 0; i < census->gateway_count && counted->gateway_count < BUDGET_GATEWAYS_MAX; i++) {
        const struct census_gateway *gateway = &census->gateways[i];

        if (gateway->id == control->controls->id)
            continue;
        demands[counted->gateway_count++] = (struct budget_demand){gateway->id, gateway->want};
        counted->others_use += gateway->use;
    }
    counted->gateways = demands;
    counted->self = control->controls->id;
}

static void recount(struct control *control, const struct census *census)
{
    struct budget_demand demands[BUDGET_GATEWAYS_MAX];
    struct budget_count counted = {.facts = &census->facts,
                                   .backends = census->backends,
                                   .backend_count = census->backend_count,
                                   .limits = census->limits,
                                   .limit_count = census->limit_count};

    gateways_count(control, census, demands, &counted);
    budget_recount(control->host->budget, &counted);
}

static void on_news(struct control *control, const struct census *census)
{
    struct gateway *gateway = control->controls->gateway;

    if (control->host->budget == NULL)
        return;
    if (census == NULL)
        budget_uncounted(control->host->budget);
    else
        recount(control, census);
    evict_excess(&gateway->pools, control->host->budget, clock_now_us());
}

/* What a refusal says is asked after at once; what is too much is given up bit by bit. */
static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct ledgers *ledgers = timer->data;
    struct gateway *gateway = ledgers->gateway;
    bool second = ++ledgers->ticks % TICKS_A_SECOND == 0, refused = false;

    (void)loop;
    (void)events;
    list_each(link, following, &gateway->budgets.all) {
        struct budget *budget = list_entry(link, struct budget, link);

        evict_excess(&gateway->pools, budget, clock_now_us());
        if (second)
            budget_tick(budget);
        refused = budget_was_refused(budget) || refused;
    }
    if (refused)
        controls_ask_soon(&gateway->controls);
}

void ledgers_reload(struct ledgers *ledgers)
{
    const struct snapshot *snapshot = ledgers->gateway->generation->snapshot;
    const int wanted[SHARES_OF_CONNECTIONS] = {snapshot->pooled_reserved, snapshot->direct_reserved,
                                               snapshot->admin_reserved};

    list_each(link, following, &ledgers->gateway->budgets.all) {
        struct budget *budget = list_entry(link, struct budget, link);

        budget_configure(budget, wanted, snapshot->headroom);
        if (snapshot->auth.user != NULL)
            budget_wait_for_count(budget, MEANWHILE);
    }
}

void ledgers_open(struct ledgers *ledgers, struct gateway *gateway)
{
    ledgers->gateway = gateway;
    gateway->controls.news = on_news;
    gateway->controls.announce = announce;
    gateway->budgets.wake = on_wake;
    ledgers_reload(ledgers);
    ev_timer_init(&ledgers->tick, on_tick, TICK_SECONDS, TICK_SECONDS);
    ledgers->tick.data = ledgers;
    ev_timer_start(gateway->loop, &ledgers->tick);
}

void ledgers_close(struct ledgers *ledgers)
{
    if (ledgers->gateway != NULL)
        ev_timer_stop(ledgers->gateway->loop, &ledgers->tick);
}

void ledgers_source(struct ledgers *ledgers, const struct budget *budget, const struct budget_view *view,
                    char *text, size_t room)
{
    const char *old = view->guessed        ? "pooled servers' answers, and refusals"
                      : view->gateways > 0 ? "its last answer, and refusals"
                                           : "PostgreSQL's refusals only";
    struct fault fault;

    if (view->counted)
        snprintf(text, room, "control connection");
    else if (controls_failure(&ledgers->gateway->controls, budget->host, budget->port, &fault))
        snprintf(text, room, "%s: %.180s", old, fault.message);
    else
        snprintf(text, room, "%s: no auth_user is configured", old);
}
