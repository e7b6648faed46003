/* SPDX-License-Identifier: PostgreSQL
 * target - which host of an upstream serves a route now: pure decisions from what is known of each. */
#include "router/target.h"

#include "gateway/base/check.h"

/* How good a host is for a wish; 0 = not at all. */
enum { NOT = 0, A_TRY = 1, AT_NEED = 2, GOOD = 3 };

const char *host_role_name(enum host_role role)
{
    static const char *const names[] = {
#define HOST_ROLE(id, name, sentence) name,
#include "conf/host_roles.def"
#undef HOST_ROLE
    };

    return names[role];
}

static bool is_near(const struct wish *wish, uint64_t lag_us)
{
    return wish->max_lag_us == 0 || lag_us <= wish->max_lag_us;
}

static int of_primary(const struct wish *wish)
{
    switch (wish->target) {
    case TARGET_PRIMARY:
    case TARGET_ANY:
        return GOOD;
    case TARGET_PREFER_STANDBY:
        return AT_NEED;
    case TARGET_STANDBY:
        return NOT;
    }
    UNREACHABLE();
}

static int of_standby(const struct wish *wish, uint64_t lag_us)
{
    return wish->target != TARGET_PRIMARY && is_near(wish, lag_us) ? GOOD : NOT;
}

static int goodness(const struct wish *wish, const struct host_view *host)
{
    if (!host->located)
        return NOT;
    switch (host->role) {
    case HOST_PRIMARY:
        return of_primary(wish);
    case HOST_STANDBY:
        return of_standby(wish, host->lag_us);
    case HOST_UNKNOWN:
        return A_TRY;
    case HOST_DOWN:
    case HOST_STALE:
    case HOST_ROLES:
        break;
    }
    return NOT;
}

bool target_allows(const struct wish *wish, enum host_role role, uint64_t lag_us, bool standbys)
{
    switch (role) {
    case HOST_PRIMARY:
        return wish->target == TARGET_PREFER_STANDBY ? !standbys : of_primary(wish) != NOT;
    case HOST_STANDBY:
        return of_standby(wish, lag_us) != NOT;
    case HOST_UNKNOWN:
    case HOST_DOWN:
        return true;
    case HOST_STALE:
    case HOST_ROLES:
        break;
    }
    return false;
}

size_t target_choose(const struct wish *wish, const struct host_view *hosts, size_t count, unsigned turn)
{
    size_t best = count;
    int best_goodness = NOT;

    if (count == 1)
        return hosts->located ? 0 : count;
    for (size_t i = 0; i < count; i++) {
        size_t at = (turn + i) % count;
        int good = goodness(wish, &hosts[at]);

        if (good > best_goodness ||
            (good == best_goodness && good > A_TRY && hosts[at].open < hosts[best].open)) {
            best = at;
            best_goodness = good;
        }
    }
    return best;
}
