/* SPDX-License-Identifier: PostgreSQL
 * direct_admit - a direct session takes its place in the budget before it connects; without one it waits
 * behind those who came before it. The client can be told so only once it is authenticated: before that,
 * drivers take nothing but an authentication request or an error. */
#include <stdio.h>

#include "gateway/base/clock.h"
#include "gateway/base/fault.h"
#include "gateway/base/log.h"
#include "gateway/client.h"
#include "gateway/direct.h"
#include "gateway/direct_login.h"
#include "gateway/gateway.h"
#include "gateway/reply.h"
#include "gateway/worker.h"
#include "router/evict.h"

static struct budget *budget_next(const struct direct *direct)
{
    const struct pool_options *options = &direct->client->verdict.route->pool;
    const struct wish wish = {options->target, options->max_lag_us};
    struct upstream_place place;
    struct fault fault;

    if (!upstream_place(direct_upstream(direct->client), &wish, direct->attempt, &place, &fault))
        return NULL;
    return place.host->budget;
}

/* Out of memory: it is not counted by what could not be found. */
static bool claim_ready(struct direct *direct, struct budget *budget)
{
    const struct client *client = direct->client;
    const char *const names[PARTIES] = {client->verdict.route->name,
                                        direct->unseen ? NULL : client->identity.database,
                                        direct->unseen ? NULL : client->identity.user};

    if (direct->claim.budget == budget)
        return true;
    budget_claim_close(&direct->claim);
    return budget_claim_open(&direct->claim, budget, direct->share, names);
}

static bool take(struct direct *direct, struct budget *budget)
{
    const struct pool_options *options = &direct->client->verdict.route->pool;
    const int limits[PARTIES] = {options->max_route_connections, options->max_db_connections,
                                 options->max_user_connections};
    uint64_t now_us = clock_now_us();

    if (!claim_ready(direct, budget) || budget_take(&direct->claim, limits, now_us, &direct->slot))
        return true;
    evict_for(&direct->client->worker->gateway->pools, &direct->claim, NULL, now_us);
    return false;
}

static void wait(struct direct *direct)
{
    struct worker *worker = direct->client->worker;

    if (direct->state == DIRECT_WAITING)
        return;
    direct->state = DIRECT_WAITING;
    list_remove(&direct->link);
    list_append(&worker->admissions, &direct->link);
    if (direct->waits_since_us != 0)
        return;
    direct->waits_since_us = clock_now_us();
    atomic_fetch_add(&worker->gateway->counters.direct_waits, 1);
    log_info(worker->thread.who,
             "client=%llu waits for a connection of PostgreSQL's: share=%s user=%s database=%s",
             (unsigned long long)direct->client->id, share_name(direct->share),
             direct->client->identity.user == NULL ? "" : direct->client->identity.user,
             direct->client->identity.database == NULL ? "" : direct->client->identity.database);
}

void direct_admit(struct direct *direct)
{
    struct budget *budget = direct->slot.budget != NULL ? NULL : budget_next(direct);

    if (budget != NULL && !take(direct, budget)) {
        wait(direct);
        return;
    }
    budget_claim_close(&direct->claim);
    direct->admitted_us = clock_now_us();
    direct_connect(direct);
}

void direct_tell_wait(struct direct *direct)
{
    uint64_t waited_us = direct->admitted_us - direct->waits_since_us;
    struct fault fault;

    if (direct->waits_since_us == 0)
        return;
    fault_set(&fault, "00000", "this session waited %.1f s for a free connection of PostgreSQL's",
              (double)waited_us / 1e6);
    fault_hint(&fault, "The others were in use; see SHOW BUDGET, and direct_reserved.");
    reply_notice(direct->client, &fault);
}

static void refuse(struct direct *direct, uint64_t limit_us)
{
    struct fault fault;

    atomic_fetch_add(&direct->client->worker->gateway->counters.direct_waits_timed_out, 1);
    fault_set(
        &fault, "53300",
        "direct_wait_timeout: no connection of PostgreSQL's became free for this session within %llu ms",
        (unsigned long long)(limit_us / 1000));
    fault_hint(&fault,
               "See SHOW BUDGET for who has them; direct_reserved keeps some free for direct sessions.");
    client_refuse(direct->client, &fault);
}

/* The claim that is renewed here keeps its place in the queue. */
void direct_serve(struct worker *worker)
{
    list_each(link, following, &worker->admissions) {
        struct direct *direct = list_entry(link, struct direct, link);
        uint64_t limit_us = direct->client->verdict.route->pool.direct_wait_timeout_us;

        if (limit_us > 0 && clock_now_us() > direct->waits_since_us + limit_us)
            refuse(direct, limit_us);
        else
            direct_admit(direct);
    }
}

bool direct_is_waiting(const struct client *client)
{
    return client->direct != NULL && client->direct->state == DIRECT_WAITING;
}
