/* SPDX-License-Identifier: PostgreSQL
 * budget_share - the arithmetic of the budget. */
#include "router/budget_share.h"

#include <stdlib.h>

#include "gateway/base/check.h"

const char *share_name(enum share share)
{
    static const char *const names[] = {"pooled", "direct", "admin", "replication"};

    return names[share];
}

void budget_floors(int capacity, const int wanted[SHARES_OF_CONNECTIONS], int floors[SHARES_OF_CONNECTIONS])
{
    int sum = 0, left = capacity;

    for (int i = 0; i < SHARES_OF_CONNECTIONS; i++)
        sum += wanted[i];
    for (int i = 0; i < SHARES_OF_CONNECTIONS; i++) {
        floors[i] = wanted[i];
        if (sum > capacity && wanted[i] > 0)
            floors[i] = capacity * wanted[i] / sum > 0 ? capacity * wanted[i] / sum : 1;
        floors[i] = floors[i] > left ? left : floors[i];
        floors[i] = floors[i] < 0 ? 0 : floors[i];
        left -= floors[i];
    }
}

int budget_room(int capacity, const int used[SHARES], const int floors[SHARES_OF_CONNECTIONS],
                enum share share)
{
    int room = capacity;

    if (share == SHARE_REPLICATION)
        return capacity - used[SHARE_REPLICATION];
    for (int i = 0; i < SHARES_OF_CONNECTIONS; i++) {
        int kept = (enum share)i == share || used[i] > floors[i] ? used[i] : floors[i];

        room -= kept;
    }
    return room;
}

static int by_id(const void *a, const void *b)
{
    const struct budget_demand *one = a, *other = b;

    return one->id < other->id ? -1 : one->id > other->id;
}

/* One round: those who want more get the same, but no more than they want. Returns what is left. */
static int round_of(int left, const struct budget_demand *demands, int *given, size_t count)
{
    int hungry = 0, each;

    for (size_t i = 0; i < count; i++)
        hungry += given[i] < demands[i].want;
    if (hungry == 0)
        return left;
    each = left / hungry > 0 ? left / hungry : 1;
    for (size_t i = 0; i < count && left > 0; i++) {
        int more = demands[i].want - given[i];

        more = more > each ? each : more;
        more = more > left ? left : more;
        if (more <= 0)
            continue;
        given[i] += more;
        left -= more;
    }
    return left;
}

int budget_split(int total, struct budget_demand *demands, size_t count, uint64_t self)
{
    int given[BUDGET_GATEWAYS_MAX] = {0};
    int left = total < 0 ? 0 : total, before;

    CHECK(count > 0 && count <= BUDGET_GATEWAYS_MAX);
    qsort(demands, count, sizeof *demands, by_id);
    do {
        before = left;
        left = round_of(left, demands, given, count);
    } while (left > 0 && left < before);
    for (size_t i = 0; i < count; i++)
        if (demands[i].id == self)
            return given[i] + left / (int)count + ((int)i < left % (int)count);
    return 0;
}
