/* SPDX-License-Identifier: PostgreSQL
 * budget_party - routes, databases and users in the ledger: how many connections each has and may have. */
#include <stdlib.h>
#include <string.h>

#include "router/budget_parts.h"

static struct party *party_named(struct budget *budget, enum party_kind kind, const char *name)
{
    struct party *party;

    list_each(link, following, &budget->parties) {
        party = list_entry(link, struct party, link);
        if (party->kind == kind && strncmp(party->name, name, PARTY_NAME_BYTES - 1) == 0)
            return party;
    }
    party = calloc(1, sizeof *party);
    if (party == NULL)
        return NULL;
    party->kind = kind;
    strncpy(party->name, name, PARTY_NAME_BYTES - 1);
    party->granted = party->ceiling = BUDGET_UNLIMITED;
    list_append(&budget->parties, &party->link);
    return party;
}

bool parties_find(struct budget_claim *claim, const char *const names[PARTIES])
{
    for (enum party_kind kind = 0; kind < PARTIES; kind++) {
        if (names[kind] == NULL)
            continue;
        claim->parties[kind] = party_named(claim->budget, kind, names[kind]);
        if (claim->parties[kind] == NULL)
            return false;
        claim->parties[kind]->references++;
    }
    return true;
}

void parties_configure(struct budget_claim *claim)
{
    for (enum party_kind kind = 0; kind < PARTIES; kind++)
        if (claim->parties[kind] != NULL)
            claim->parties[kind]->configured = claim->limits[kind];
}

void parties_drop_unused(struct budget *budget)
{
    list_each(link, following, &budget->parties) {
        struct party *party = list_entry(link, struct party, link);

        if (party->references > 0 || party->used > 0)
            continue;
        list_remove(&party->link);
        free(party);
    }
}

void parties_forget(struct budget_claim *claim)
{
    for (enum party_kind kind = 0; kind < PARTIES; kind++)
        if (claim->parties[kind] != NULL)
            claim->parties[kind]->references--;
    parties_drop_unused(claim->budget);
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

int party_room(const struct budget_claim *claim, enum party_kind kind)
{
    const struct party *party = claim->parties[kind];
    int limit = claim->limits[kind] > 0 ? claim->limits[kind] : BUDGET_UNLIMITED;

    if (party == NULL)
        return BUDGET_UNLIMITED;
    return least(limit, least(party->granted - party->foreign, party->ceiling)) - party->used;
}

bool parties_have_room(const struct budget_claim *claim, enum party_kind *short_of)
{
    for (enum party_kind kind = 0; kind < PARTIES; kind++) {
        if (party_room(claim, kind) > 0)
            continue;
        *short_of = kind;
        return false;
    }
    return true;
}

void party_count(struct party *party, int change)
{
    party->used += change;
}
