/* SPDX-License-Identifier: PostgreSQL
 * ledgers - keeps the budget of each PostgreSQL server up to date with what its control connection hears,
 * with what other gateways announce, and with the configuration. Main thread. */
#pragma once

#include <ev.h>
#include <stddef.h>

struct budget;
struct budget_view;
struct budgets;
struct gateway;
struct upstreams;

struct ledgers {
    struct gateway *gateway;
    ev_timer tick;
    int ticks;
};

/* Gives each host its ledger. */
void ledgers_attach(struct budgets *budgets, struct upstreams *upstreams);

/* After the controls; before workers start. */
void ledgers_open(struct ledgers *ledgers, struct gateway *gateway);
void ledgers_reload(struct ledgers *ledgers);
void ledgers_close(struct ledgers *ledgers);

/* Any thread. Where the numbers of this ledger come from, as a sentence. */
void ledgers_source(struct ledgers *ledgers, const struct budget *budget, const struct budget_view *view,
                    char *text, size_t room);
