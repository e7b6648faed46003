/* SPDX-License-Identifier: PostgreSQL
 * budgets - all ledgers of the process: found by HOST:PORT, configured, looked at. */
#pragma once

#include "router/budget.h"

/* All ledgers of the process, by HOST:PORT. */
struct budgets {
    pthread_mutex_t lock;
    struct list all;
    /* Room appeared while claims wait; any thread, no lock held. May be NULL. */
    void (*wake)(struct budgets *budgets);
};

void budgets_open(struct budgets *budgets);
void budgets_close(struct budgets *budgets); /* nothing may be held any more */
/* The ledger of that server; it lives as long as `budgets`. NULL when out of memory. */
struct budget *budgets_get(struct budgets *budgets, const char *host, int port);
/* The floors of the shares and what is left to others, from the configuration. */
void budget_configure(struct budget *budget, const int wanted[SHARES_OF_CONNECTIONS], int headroom);

/* A ledger at one moment. gateways 0: PostgreSQL never told about itself. */
struct budget_view {
    int used[SHARES], floors[SHARES_OF_CONNECTIONS], waiting[SHARES];
    int capacity, senders, headroom;
    int max_connections, reserve, foreign, gateways, others_use;
    bool counted, guessed;
};
void budget_look(struct budget *budget, struct budget_view *view);
void budget_each_party(struct budget *budget,
                       void (*see)(const struct budget *budget, const struct party *party, void *owner),
                       void *owner);
