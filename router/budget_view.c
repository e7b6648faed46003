/* SPDX-License-Identifier: PostgreSQL
 * budget_view - a ledger as it is shown. */
#include "router/budgets.h"

#include <string.h>

#include "router/budget_parts.h"

void budget_look(struct budget *budget, struct budget_view *view)
{
    memset(view, 0, sizeof *view);
    pthread_mutex_lock(&budget->lock);
    memcpy(view->used, budget->used, sizeof view->used);
    view->capacity = budget->capacity < budget->ceiling ? budget->capacity : budget->ceiling;
    budget_floors(view->capacity, budget->wanted, view->floors);
    list_each(link, following, &budget->queue)
        view->waiting[list_entry(link, struct budget_claim, link)->share]++;
    view->senders = budget->senders;
    view->headroom = budget->headroom;
    view->max_connections = budget->max_connections;
    view->reserve = budget->reserve;
    view->foreign = budget->foreign;
    view->gateways = budget->gateways;
    view->others_use = budget->others_use;
    view->counted = budget->counted;
    view->guessed = budget->guessed_us > 0;
    pthread_mutex_unlock(&budget->lock);
}

void budget_each_party(struct budget *budget,
                       void (*see)(const struct budget *budget, const struct party *party, void *owner),
                       void *owner)
{
    pthread_mutex_lock(&budget->lock);
    list_each(link, following, &budget->parties)
        see(budget, list_entry(link, struct party, link), owner);
    pthread_mutex_unlock(&budget->lock);
}
