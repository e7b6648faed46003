/* SPDX-License-Identifier: PostgreSQL
 * budget - the ledger of one PostgreSQL server's connections: slots, claims and their order. */
#include "router/budget.h"

#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "router/budget_parts.h"
#include "router/budgets.h"

/* A claim that was not renewed for so long is nobody's; a denied one is not looked at again before. */
enum { CLAIM_EXPIRES_US = 2000000, RECHECK_US = 50000 };

static void changed(struct budget *budget)
{
    atomic_fetch_add(&budget->version, 1);
}

/* After something was given back, without the lock. */
void budget_wake(struct budget *budget)
{
    changed(budget);
    if (atomic_load(&budget->waiting) > 0 && budget->budgets->wake != NULL)
        budget->budgets->wake(budget->budgets);
}

static void ledger_of(const struct budget *budget, struct budget_ledger *ledger)
{
    ledger->capacity = budget->capacity < budget->ceiling ? budget->capacity : budget->ceiling;
    memcpy(ledger->used, budget->used, sizeof ledger->used);
    budget_floors(ledger->capacity, budget->wanted, ledger->floors);
}

static int room_in(const struct budget *budget, const struct budget_ledger *ledger, enum share share)
{
    int capacity = share == SHARE_REPLICATION ? budget->senders : ledger->capacity;

    return budget_room(capacity, ledger->used, ledger->floors, share);
}

static void leave(struct budget_claim *claim)
{
    if (!atomic_load(&claim->queued))
        return;
    list_remove(&claim->link);
    atomic_store(&claim->queued, false);
    atomic_fetch_sub(&claim->budget->waiting, 1);
}

/* A claim with credit goes before those that came later than that, so that nobody is passed over for
 * longer. */
static void enqueue_in_order(struct budget_claim *claim)
{
    uint64_t rank_us = atomic_load(&claim->since_us) - atomic_load(&claim->credit_us);
    struct list *behind = &claim->budget->queue;

    list_each(link, following, &claim->budget->queue) {
        const struct budget_claim *other = list_entry(link, struct budget_claim, link);
        uint64_t other_us = atomic_load(&other->since_us) - atomic_load(&other->credit_us);

        if ((int64_t)(other_us - rank_us) > 0) {
            behind = link;
            break;
        }
    }
    list_add_before(behind, &claim->link);
}

static void enqueue(struct budget_claim *claim, uint64_t now_us)
{
    claim->renewed_us = now_us;
    if (atomic_load(&claim->queued))
        return;
    atomic_store(&claim->since_us, now_us);
    enqueue_in_order(claim);
    atomic_store(&claim->queued, true);
    atomic_fetch_add(&claim->budget->waiting, 1);
    atomic_fetch_add(&claim->budget->waits, 1);
}

/* Takes those who were there before out of the ledger, as if they had got what they wait for. */
/* An older claim takes its place in every party that it shares with this one; false when none is left. */
static bool parties_leave_room(const struct budget_claim *claim, const struct budget_claim *older,
                               int taken[PARTIES])
{
    for (enum party_kind kind = 0; kind < PARTIES; kind++)
        if (claim->parties[kind] != NULL && claim->parties[kind] == older->parties[kind] &&
            party_room(claim, kind) <= ++taken[kind])
            return false;
    return true;
}

static bool before_it(struct budget_claim *claim, struct budget_ledger *ledger, uint64_t now_us)
{
    struct budget *budget = claim->budget;
    int taken[PARTIES] = {0};
    enum party_kind short_of;

    list_each(link, following, &budget->queue) {
        struct budget_claim *other = list_entry(link, struct budget_claim, link);

        if (other == claim)
            break;
        if (now_us > other->renewed_us + CLAIM_EXPIRES_US) {
            leave(other);
            continue;
        }
        if (parties_have_room(other, &short_of) && room_in(budget, ledger, other->share) > 0) {
            ledger->used[other->share]++;
            if (!parties_leave_room(claim, other, taken))
                return true;
        }
        if (room_in(budget, ledger, claim->share) <= 0)
            return true;
    }
    return false;
}

static enum denial judge(struct budget_claim *claim, uint64_t now_us)
{
    struct budget *budget = claim->budget;
    struct budget_ledger ledger;
    enum party_kind short_of;

    ledger_of(budget, &ledger);
    if (!parties_have_room(claim, &short_of)) {
        atomic_store(&claim->short_of, (int)short_of);
        return DENIAL_PARTY;
    }
    if (now_us < budget->closed_until_us)
        return DENIAL_RESTING;
    if (room_in(budget, &ledger, claim->share) <= 0)
        return DENIAL_ROOM;
    return before_it(claim, &ledger, now_us) ? DENIAL_AGE : DENIAL_NONE;
}

static void count(struct budget_slot *slot, int change)
{
    slot->budget->used[slot->share] += change;
    for (int i = 0; i < PARTIES; i++)
        if (slot->parties[i] != NULL)
            party_count(slot->parties[i], change);
}

bool budget_is_denied(const struct budget_claim *claim, uint64_t now_us)
{
    struct budget *budget = claim->budget;

    return budget != NULL && atomic_load(&claim->queued) && now_us < atomic_load(&claim->check_us) &&
           atomic_load(&claim->checked) == atomic_load(&budget->version);
}

static void slot_fill(struct budget_slot *slot, const struct budget_claim *claim)
{
    *slot = (struct budget_slot){.budget = claim->budget, .share = claim->share};
    memcpy(slot->parties, claim->parties, sizeof slot->parties);
    count(slot, 1);
}

bool budget_take(struct budget_claim *claim, const int limits[PARTIES], uint64_t now_us,
                 struct budget_slot *slot)
{
    struct budget *budget = claim->budget;
    uint64_t version = atomic_load(&budget->version);
    enum denial denial;
    bool taken;

    if (budget_is_denied(claim, now_us))
        return false;
    pthread_mutex_lock(&budget->lock);
    memcpy(claim->limits, limits, sizeof claim->limits);
    parties_configure(claim);
    denial = judge(claim, now_us);
    atomic_store(&claim->denial, (int)denial);
    taken = denial == DENIAL_NONE;
    if (taken) {
        leave(claim);
        slot_fill(slot, claim);
    } else {
        if (denial == DENIAL_PARTY && !atomic_load(&claim->queued))
            claim->parties[atomic_load(&claim->short_of)]->waits++;
        enqueue(claim, now_us);
        atomic_store(&claim->checked, version);
        atomic_store(&claim->check_us, now_us + RECHECK_US);
    }
    pthread_mutex_unlock(&budget->lock);
    return taken;
}

bool budget_try(struct budget_claim *claim, const int limits[PARTIES], uint64_t now_us,
                struct budget_slot *slot)
{
    struct budget *budget = claim->budget;
    bool taken;

    if (atomic_load(&budget->waiting) > 0)
        return false;
    pthread_mutex_lock(&budget->lock);
    memcpy(claim->limits, limits, sizeof claim->limits);
    taken = judge(claim, now_us) == DENIAL_NONE;
    if (taken)
        slot_fill(slot, claim);
    pthread_mutex_unlock(&budget->lock);
    return taken;
}

void budget_take_anyway(struct budget *budget, enum share share, struct budget_slot *slot)
{
    *slot = (struct budget_slot){.budget = budget, .share = share};
    if (budget == NULL)
        return;
    pthread_mutex_lock(&budget->lock);
    count(slot, 1);
    pthread_mutex_unlock(&budget->lock);
}

static void unseat(struct budget_slot *slot)
{
    if (slot->pid == 0)
        return;
    table_remove(&slot->budget->seats, &slot->seat);
    slot->budget->seated -= slot->share != SHARE_REPLICATION;
    slot->pid = 0;
}

void budget_give(struct budget_slot *slot)
{
    struct budget *budget = slot->budget;

    if (budget == NULL)
        return;
    pthread_mutex_lock(&budget->lock);
    unseat(slot);
    count(slot, -1);
    CHECK(budget->used[slot->share] >= 0);
    atomic_store(&budget->evicting_us, 0);
    parties_drop_unused(budget);
    pthread_mutex_unlock(&budget->lock);
    slot->budget = NULL;
    budget_wake(budget);
}

void budget_move(struct budget_slot *slot, enum share share)
{
    struct budget *budget = slot->budget;

    if (budget == NULL || slot->share == share)
        return;
    pthread_mutex_lock(&budget->lock);
    budget->used[slot->share]--;
    slot->share = share;
    budget->used[slot->share]++;
    pthread_mutex_unlock(&budget->lock);
    budget_wake(budget);
}

void budget_follow(struct budget_slot *slot, struct budget *budget)
{
    enum share share = slot->share;

    if (slot->budget == NULL || slot->budget == budget)
        return;
    budget_give(slot);
    budget_take_anyway(budget, share, slot);
}

static void seat(struct budget_slot *slot, uint32_t pid)
{
    if (pid == 0 || !table_add(&slot->budget->seats, &slot->seat, table_hash(&pid, sizeof pid, 0)))
        return;
    slot->pid = pid;
    slot->budget->seated += slot->share != SHARE_REPLICATION;
}

void budget_seat(struct budget_slot *slot, uint32_t pid)
{
    struct budget *budget = slot->budget;

    if (budget == NULL || slot->pid != 0)
        return;
    pthread_mutex_lock(&budget->lock);
    seat(slot, pid);
    budget->pause_us = 0;
    pthread_mutex_unlock(&budget->lock);
}

void budget_pass(struct budget_slot *from, struct budget_slot *to)
{
    struct budget *budget = from->budget;
    uint32_t pid = from->pid;

    if (budget == NULL) {
        *to = (struct budget_slot){.budget = NULL};
        return;
    }
    pthread_mutex_lock(&budget->lock); /* neighbours in the table write into its link */
    *to = *from;
    to->pid = 0;
    unseat(from);
    seat(to, pid);
    pthread_mutex_unlock(&budget->lock);
    from->budget = NULL;
}

bool budget_claim_open(struct budget_claim *claim, struct budget *budget, enum share share,
                       const char *const names[PARTIES])
{
    bool opened;

    memset(claim, 0, sizeof *claim);
    claim->budget = budget;
    claim->share = share;
    list_init(&claim->link);
    pthread_mutex_lock(&budget->lock);
    opened = parties_find(claim, names);
    if (!opened)
        parties_forget(claim);
    pthread_mutex_unlock(&budget->lock);
    if (!opened)
        claim->budget = NULL;
    return opened;
}

void budget_claim_close(struct budget_claim *claim)
{
    struct budget *budget = claim->budget;

    if (budget == NULL)
        return;
    pthread_mutex_lock(&budget->lock);
    leave(claim);
    parties_forget(claim);
    pthread_mutex_unlock(&budget->lock);
    claim->budget = NULL;
    budget_wake(budget);
}

void budget_claim_withdraw(struct budget_claim *claim)
{
    struct budget *budget = claim->budget;

    if (budget == NULL || !atomic_load(&claim->queued))
        return;
    pthread_mutex_lock(&budget->lock);
    leave(claim);
    pthread_mutex_unlock(&budget->lock);
}

int budget_excess(struct budget *budget)
{
    struct budget_ledger ledger;
    int room;

    pthread_mutex_lock(&budget->lock);
    ledger_of(budget, &ledger);
    room = room_in(budget, &ledger, SHARE_POOLED);
    if (-room > ledger.used[SHARE_POOLED] - ledger.floors[SHARE_POOLED])
        room = ledger.floors[SHARE_POOLED] - ledger.used[SHARE_POOLED];
    pthread_mutex_unlock(&budget->lock);
    return room < 0 ? -room : 0;
}

int budget_used(struct budget *budget)
{
    int used = 0;

    pthread_mutex_lock(&budget->lock);
    for (int i = 0; i < SHARES_OF_CONNECTIONS; i++)
        used += budget->used[i];
    pthread_mutex_unlock(&budget->lock);
    return used;
}
