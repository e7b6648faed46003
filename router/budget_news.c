/* SPDX-License-Identifier: PostgreSQL
 * budget_news - what changes a ledger's size: PostgreSQL's own numbers, other gateways, refusals, time. */
#include "router/budget_news.h"

#include <string.h>

#include "gateway/base/clock.h"
#include "router/budget_parts.h"
#include "router/facts.h"

/* Between a refusal and the next try; doubled with each in a row. */
enum { PAUSE_LEAST_US = 20000, PAUSE_MOST_US = 1000000, GUESS_HOLDS_US = 30000000 };

static bool is_ours(const struct budget *budget, uint32_t pid)
{
    uint64_t hash = table_hash(&pid, sizeof pid, 0);

    for (struct table_link *at = table_find(&budget->seats, hash); at != NULL; at = table_next(at))
        if (table_entry(at, struct budget_slot, seat)->pid == pid)
            return true;
    return false;
}

static struct party *party_find(const struct budget *budget, enum party_kind kind, const char *name)
{
    list_each(link, following, &budget->parties) {
        struct party *party = list_entry(link, struct party, link);

        if (party->kind == kind && strncmp(party->name, name, PARTY_NAME_BYTES - 1) == 0)
            return party;
    }
    return NULL;
}

static void foreign_add(const struct budget *budget, enum party_kind kind, const char *name)
{
    struct party *party = party_find(budget, kind, name);

    if (party != NULL)
        party->foreign++;
}

/* Connections that are neither ours nor, as far as it is known, other gateways'. Those of ours whose pid is
 * not known yet may be among the unknown ones. */
static void foreigners_count(struct budget *budget, const struct budget_count *counted, int *senders)
{
    int unknown = -(counted->others_use);

    *senders = 0;
    list_each(link, following, &budget->parties) {
        struct party *party = list_entry(link, struct party, link);

        party->foreign = 0;
        party->granted = BUDGET_UNLIMITED;
    }
    for (size_t i = 0; i < counted->backend_count; i++) {
        const struct budget_backend *backend = &counted->backends[i];

        if (is_ours(budget, backend->pid))
            continue;
        *senders += backend->walsender;
        unknown += !backend->walsender;
        foreign_add(budget, PARTY_DATABASE, backend->database);
        foreign_add(budget, PARTY_USER, backend->user);
    }
    for (int i = 0; i < SHARES_OF_CONNECTIONS; i++)
        unknown -= budget->used[i];
    unknown += budget->seated;
    budget->foreign = unknown < 0 ? 0 : unknown;
}

static void limits_take(struct budget *budget, const struct budget_count *counted)
{
    for (size_t i = 0; i < counted->limit_count; i++) {
        const struct budget_limit *limit = &counted->limits[i];
        struct party *party = party_find(budget, limit->kind, limit->name);

        if (party != NULL)
            party->granted = limit->limit;
    }
}

/* What a refusal lowered is known better now. */
static void ceilings_lift(struct budget *budget)
{
    budget->ceiling = BUDGET_UNLIMITED;
    list_each(link, following, &budget->parties)
        list_entry(link, struct party, link)->ceiling = BUDGET_UNLIMITED;
}

void budget_recount(struct budget *budget, const struct budget_count *counted)
{
    const struct host_facts *facts = counted->facts;
    int senders, mine;

    pthread_mutex_lock(&budget->lock);
    foreigners_count(budget, counted, &senders);
    limits_take(budget, counted);
    if (facts->asked_us > budget->refused_us)
        ceilings_lift(budget);
    budget->max_connections = (int)facts->max_connections;
    budget->reserve = (int)(facts->superuser_reserved + facts->reserved);
    budget->total = budget->max_connections - budget->reserve - budget->headroom - budget->foreign;
    budget->gateways = (int)counted->gateway_count;
    budget->others_use = counted->others_use;
    mine = budget_split(budget->total, counted->gateways, counted->gateway_count, counted->self);
    if (mine > budget->total - counted->others_use)
        mine = budget->total - counted->others_use;
    budget->capacity = mine < 1 ? 1 : mine;
    budget->senders = (int)facts->max_wal_senders - senders;
    budget->counted = true;
    pthread_mutex_unlock(&budget->lock);
    budget_wake(budget);
}

void budget_wait_for_count(struct budget *budget, int meanwhile)
{
    pthread_mutex_lock(&budget->lock);
    if (!budget->counted && budget->capacity == BUDGET_UNLIMITED)
        budget->capacity = meanwhile;
    pthread_mutex_unlock(&budget->lock);
}

void budget_guess(struct budget *budget, uint64_t asked_us, int connections, int in_use)
{
    int ours = 0;

    if (budget == NULL)
        return;
    pthread_mutex_lock(&budget->lock);
    if (!budget->counted) {
        for (int i = 0; i < SHARES_OF_CONNECTIONS; i++)
            ours += budget->used[i];
        budget->foreign = in_use > ours ? in_use - ours : 0;
        budget->total = connections - budget->headroom - budget->foreign;
        budget->capacity = budget->total < 1 ? 1 : budget->total;
        budget->guessed_us = asked_us;
        if (asked_us > budget->refused_us)
            ceilings_lift(budget);
    }
    pthread_mutex_unlock(&budget->lock);
    budget_wake(budget);
}

void budget_uncounted(struct budget *budget)
{
    pthread_mutex_lock(&budget->lock);
    if (budget->gateways == 0 && budget->guessed_us == 0)
        budget->capacity = budget->senders = BUDGET_UNLIMITED;
    budget->counted = false;
    pthread_mutex_unlock(&budget->lock);
    budget_wake(budget);
}

static void higher(int *ceiling)
{
    if (*ceiling < BUDGET_UNLIMITED)
        ++*ceiling;
}

void budget_tick(struct budget *budget)
{
    pthread_mutex_lock(&budget->lock);
    if (!budget->counted) {
        higher(&budget->ceiling);
        if (clock_now_us() > budget->guessed_us + GUESS_HOLDS_US)
            higher(&budget->capacity);
        list_each(link, following, &budget->parties)
            higher(&list_entry(link, struct party, link)->ceiling);
    }
    pthread_mutex_unlock(&budget->lock);
    budget_wake(budget);
}

/* Which limit it was that PostgreSQL names only in the language of its messages. Source: the functions that
 * report 53300 in PostgreSQL's postinit.c, miscinit.c and walsender.c. */
static struct party *party_refused(struct budget_slot *slot, const char *routine)
{
    if (strcmp(routine, "InitializeSessionUserId") == 0)
        return slot->parties[PARTY_USER];
    if (strcmp(routine, "CheckMyDatabase") == 0)
        return slot->parties[PARTY_DATABASE];
    return NULL;
}

static void pause_on(struct budget *budget, uint64_t now_us)
{
    budget->pause_us = budget->pause_us == 0 ? PAUSE_LEAST_US : budget->pause_us * 2;
    if (budget->pause_us > PAUSE_MOST_US)
        budget->pause_us = PAUSE_MOST_US;
    budget->closed_until_us = now_us + budget->pause_us;
}

bool budget_is_refusal(const char *sqlstate)
{
    return strcmp(sqlstate, "53300") == 0 || strcmp(sqlstate, "53400") == 0;
}

void budget_refused(struct budget_slot *slot, const char *routine, uint64_t now_us)
{
    struct budget *budget = slot->budget;
    struct party *party;
    int used = 0;

    if (budget == NULL)
        return;
    party = party_refused(slot, routine);
    atomic_fetch_add(&budget->refusals, 1);
    atomic_store(&budget->refused_lately, true);
    pthread_mutex_lock(&budget->lock);
    budget->refused_us = now_us;
    for (int i = 0; i < SHARES_OF_CONNECTIONS; i++)
        used += budget->used[i];
    if (party != NULL) {
        party->ceiling = party->used - 1;
    } else {
        if (slot->share != SHARE_REPLICATION)
            budget->ceiling = used - 1;
        pause_on(budget, now_us);
    }
    pthread_mutex_unlock(&budget->lock);
}

bool budget_was_refused(struct budget *budget)
{
    return atomic_exchange(&budget->refused_lately, false);
}

int budget_demand_of(struct budget *budget, int idle, int wanted_more)
{
    int want = 0;

    pthread_mutex_lock(&budget->lock);
    for (int share = 0; share < SHARES_OF_CONNECTIONS; share++) {
        int busy = budget->used[share] + (share == SHARE_POOLED ? wanted_more - idle : 0);

        want += busy < budget->wanted[share] ? busy + 1 : busy; /* floors are met where there is enough */
    }
    pthread_mutex_unlock(&budget->lock);
    return want;
}
