/* SPDX-License-Identifier: PostgreSQL
 * hosts_roles - what the hosts of an upstream are, as all threads see it, and the choice of one of them.
 * Main judges and publishes; workers choose by what was published. */
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/fault.h"
#include "gateway/base/log.h"
#include "router/hosts.h"

static const struct wish the_primary = {TARGET_PRIMARY, 0}, anything = {TARGET_ANY, 0};

unsigned upstream_addresses(struct upstream *upstream)
{
    size_t total = 0;

    for (size_t h = 0; h < upstream->host_count; h++) {
        struct host_addresses *found = atomic_load(&upstream->hosts[h].addresses);

        total += found == NULL ? 0 : found->count;
    }
    return (unsigned)total;
}

static size_t choose(struct upstream *upstream, const struct wish *wish, unsigned turn)
{
    struct host_view views[UPSTREAM_HOSTS_MAX];

    for (size_t h = 0; h < upstream->host_count; h++) {
        struct host *host = &upstream->hosts[h];

        views[h] = (struct host_view){.role = (enum host_role)atomic_load(&host->role),
                                      .located = atomic_load(&host->addresses) != NULL,
                                      .lag_us = atomic_load(&host->lag_us),
                                      .open = atomic_load(&host->open)};
    }
    return target_choose(wish, views, upstream->host_count, turn);
}

static bool nobody(const struct upstream *upstream, const struct wish *wish, struct fault *fault)
{
    fault_set(fault, "57P03", "no host of upstream \"%s\" can serve target = \"%s\" now", upstream->name,
              target_name(wish->target));
    return fault_hint(fault, "SHOW HOSTS in the admin console says what each of them is.");
}

bool upstream_place(struct upstream *upstream, const struct wish *wish, unsigned attempt,
                    struct upstream_place *place, struct fault *fault)
{
    unsigned turn = atomic_load(&upstream->next_host) + attempt, round;
    struct host_addresses *found;
    size_t chosen;

    if (upstream_addresses(upstream) == 0)
        return fault_set(fault, "08001", "the hosts of upstream \"%s\" could not be looked up",
                         upstream->name);
    chosen = choose(upstream, wish == NULL ? &the_primary : wish, turn);
    if (chosen == upstream->host_count && wish != NULL)
        return nobody(upstream, wish, fault);
    if (chosen == upstream->host_count)
        chosen = choose(upstream, &anything, turn);
    if (chosen == upstream->host_count)
        chosen = turn % upstream->host_count;
    found = atomic_load(&upstream->hosts[chosen].addresses);
    if (found == NULL)
        return fault_set(fault, "08001", "host %s could not be looked up", upstream->hosts[chosen].name);
    round = turn / (unsigned)upstream->host_count;
    place->address = found->items[round % found->count];
    place->host = &upstream->hosts[chosen];
    place->epoch = atomic_load(&place->host->epoch);
    return true;
}

bool upstream_keeps(struct upstream *upstream, const struct wish *wish, struct host *host, uint64_t epoch)
{
    enum host_role role = (enum host_role)atomic_load_explicit(&host->role, memory_order_relaxed);
    bool standbys = false;

    if (atomic_load_explicit(&host->epoch, memory_order_relaxed) != epoch)
        return false;
    if (upstream->host_count == 1)
        return true;
    if (role == HOST_PRIMARY && wish->target == TARGET_PREFER_STANDBY)
        standbys = choose(upstream, wish, 0) != (size_t)(host - upstream->hosts);
    return target_allows(wish, role, atomic_load_explicit(&host->lag_us, memory_order_relaxed), standbys);
}

void host_note(struct host *host, enum host_said said)
{
    atomic_store(&host->said, said);
    atomic_store(&host->said_us, clock_now_us());
    if (said == SAID_NO)
        atomic_store(&host->troubled, true);
}

/* Whatever is connected to it was made for another role: that is not used for the next transaction. */
static void host_serves(struct host *host, enum host_role role)
{
    if (host->served != HOST_UNKNOWN && host->served != role)
        atomic_fetch_add(&host->epoch, 1);
    host->served = role;
}

/* One that cannot be reached keeps its role, until another host has that of the primary. */
static void host_publish(struct upstream *upstream, struct host *host, enum host_role role, bool crowned)
{
    if (role == HOST_PRIMARY || role == HOST_STANDBY || role == HOST_STALE)
        host_serves(host, role);
    else if (crowned && host->served == HOST_PRIMARY)
        host_serves(host, HOST_STALE);
    atomic_store(&host->role, (int)role);
    if (role == HOST_UNKNOWN || role == host->told)
        return;
    log_info("hosts", "upstream=%s host=%s:%d role=%s before=%s", upstream->name, host->name, host->port,
             host_role_name(role), host_role_name(host->told));
    host->told = role;
}

static void tell_stale(const struct upstream *upstream, const struct host_report *reports)
{
    for (size_t h = 0; h < upstream->host_count; h++)
        if (upstream->roles.items[h] == HOST_STALE)
            log_error("hosts",
                      "upstream=%s host=%s:%d takes writes on timeline %u, but the primary is on timeline "
                      "%u: it gets no sessions%s",
                      upstream->name, upstream->hosts[h].name, upstream->hosts[h].port,
                      (unsigned)reports[h].timeline, (unsigned)upstream->roles.timeline,
                      upstream->roles.contested ? ""
                                                : "; restart the gateway if it is to be the primary again");
}

bool upstream_judge(struct upstream *upstream, const struct host_report *reports, const uint64_t *lags_us)
{
    struct roles *roles = &upstream->roles;
    enum host_role before[UPSTREAM_HOSTS_MAX];
    bool changed = false, crowned;

    for (size_t h = 0; h < upstream->host_count; h++)
        before[h] = (enum host_role)atomic_load(&upstream->hosts[h].role);
    roles_judge(roles, reports, upstream->host_count);
    crowned = roles->known && roles->items[roles->primary] == HOST_PRIMARY;
    for (size_t h = 0; h < upstream->host_count; h++) {
        changed = changed || (roles->items[h] != before[h] && roles->items[h] != HOST_UNKNOWN &&
                              roles->items[h] != HOST_DOWN);
        atomic_store(&upstream->hosts[h].lag_us, lags_us[h]);
    }
    for (size_t h = 0; h < upstream->host_count; h++)
        host_publish(upstream, &upstream->hosts[h], roles->items[h], crowned);
    if (changed)
        tell_stale(upstream, reports);
    return changed;
}
