/* SPDX-License-Identifier: PostgreSQL
 * budget_parts - what the files of the ledger share; for router/budget*.c only. The lock is held wherever a
 * party or the queue is touched. */
#pragma once

#include "router/budget.h"

/* What a judgement is made from. */
struct budget_ledger {
    int capacity, used[SHARES], floors[SHARES_OF_CONNECTIONS];
};

/* Without the lock: claims may get through now. */
void budget_wake(struct budget *budget);

/* Fills in claim->parties, retained. False when out of memory. */
bool parties_find(struct budget_claim *claim, const char *const names[PARTIES]);
/* Remembers claim->limits, to be shown. */
void parties_configure(struct budget_claim *claim);
void parties_forget(struct budget_claim *claim);
void parties_drop_unused(struct budget *budget);
/* How many more connections this one of its parties may have. */
int party_room(const struct budget_claim *claim, enum party_kind kind);
/* Whether each of the claim's parties may have one more. */
bool parties_have_room(const struct budget_claim *claim, enum party_kind *short_of);
void party_count(struct party *party, int change);
