/* SPDX-License-Identifier: PostgreSQL
 * budget_news - what changes a ledger's size: PostgreSQL's own numbers, other gateways, refusals, time. */
#pragma once

#include "router/budget.h"

struct host_facts;

/* Somebody's connection, as PostgreSQL showed it. */
struct budget_backend {
    uint32_t pid;
    bool walsender;
    const char *database, *user;
};

/* CONNECTION LIMIT of a role or a database. */
struct budget_limit {
    enum party_kind kind;
    const char *name;
    int limit;
};

/* What PostgreSQL said at one moment. Gateways: all but this one; what they use is theirs, `self` is ours. */
struct budget_count {
    const struct host_facts *facts;
    const struct budget_backend *backends;
    size_t backend_count;
    const struct budget_limit *limits;
    size_t limit_count;
    struct budget_demand *gateways; /* room for BUDGET_GATEWAYS_MAX; this gateway's own is among them */
    size_t gateway_count;
    uint64_t self;
    int others_use;
};

/* Works out anew what this gateway may have. */
void budget_recount(struct budget *budget, const struct budget_count *counted);

/* Until PostgreSQL was asked for the first time: not more than this. */
void budget_wait_for_count(struct budget *budget, int meanwhile);
/* What a pooled server was told at asked_us: connections that are not reserved, and those in use. It is
 * believed where there is no count. NULL is nothing to do. */
void budget_guess(struct budget *budget, uint64_t asked_us, int connections, int in_use);
/* PostgreSQL cannot be asked: only its refusals tell. */
void budget_uncounted(struct budget *budget);

/* Whether PostgreSQL refused something since this was asked last. */
bool budget_was_refused(struct budget *budget);

/* Once a second: what was lowered by a refusal rises by one where PostgreSQL cannot be asked. */
void budget_tick(struct budget *budget);

/* What this gateway announces: slots in use but for `idle` ones, and those that are waited for. */
int budget_demand_of(struct budget *budget, int idle, int wanted_more);
