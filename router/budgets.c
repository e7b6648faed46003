/* SPDX-License-Identifier: PostgreSQL
 * budgets - all ledgers of the process: found by HOST:PORT, configured, ended. */
#include "router/budgets.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "router/budget_parts.h"

void budgets_open(struct budgets *budgets)
{
    memset(budgets, 0, sizeof *budgets);
    pthread_mutex_init(&budgets->lock, NULL);
    list_init(&budgets->all);
}

static void budget_free(struct budget *budget)
{
    CHECK(list_empty(&budget->queue));
    parties_drop_unused(budget);
    CHECK(list_empty(&budget->parties) && budget->seats.count == 0);
    table_free(&budget->seats);
    pthread_mutex_destroy(&budget->lock);
    free(budget);
}

void budgets_close(struct budgets *budgets)
{
    while (!list_empty(&budgets->all)) {
        struct budget *budget = list_entry(budgets->all.next, struct budget, link);

        list_remove(&budget->link);
        budget_free(budget);
    }
    pthread_mutex_destroy(&budgets->lock);
}

static struct budget *budget_new(struct budgets *budgets, const char *host, int port)
{
    struct budget *budget = calloc(1, sizeof *budget);

    if (budget == NULL)
        return NULL;
    budget->budgets = budgets;
    strncpy(budget->host, host, sizeof budget->host - 1);
    budget->port = port;
    pthread_mutex_init(&budget->lock, NULL);
    list_init(&budget->queue);
    list_init(&budget->parties);
    budget->capacity = budget->senders = budget->ceiling = BUDGET_UNLIMITED;
    list_append(&budgets->all, &budget->link);
    return budget;
}

struct budget *budgets_get(struct budgets *budgets, const char *host, int port)
{
    struct budget *found = NULL;

    pthread_mutex_lock(&budgets->lock);
    list_each(link, following, &budgets->all) {
        struct budget *budget = list_entry(link, struct budget, link);

        if (budget->port == port && strcmp(budget->host, host) == 0)
            found = budget;
    }
    if (found == NULL)
        found = budget_new(budgets, host, port);
    pthread_mutex_unlock(&budgets->lock);
    return found;
}

void budget_configure(struct budget *budget, const int wanted[SHARES_OF_CONNECTIONS], int headroom)
{
    pthread_mutex_lock(&budget->lock);
    memcpy(budget->wanted, wanted, sizeof budget->wanted);
    budget->headroom = headroom;
    pthread_mutex_unlock(&budget->lock);
    budget_wake(budget);
}
