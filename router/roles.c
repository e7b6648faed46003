/* SPDX-License-Identifier: PostgreSQL
 * roles - who of an upstream's hosts is the primary. */
#include "router/roles.h"

#include "gateway/base/check.h"

/* What a host is as far as it alone can tell: PRIMARY is a claim. */
static enum host_role role_alone(const struct host_report *report)
{
    if (!report->heard)
        return HOST_UNKNOWN;
    if (!report->reachable)
        return HOST_DOWN;
    if (report->in_recovery)
        return HOST_STANDBY;
    return report->patroni == PATRONI_MEMBER || report->patroni == PATRONI_ABSENT ? HOST_STALE : HOST_PRIMARY;
}

/* The same cluster with an older history than one that was primary. */
static bool is_outdated(const struct roles *roles, const struct host_report *report)
{
    return roles->known && report->patroni != PATRONI_LEADER && report->timeline != 0 &&
           report->timeline < roles->timeline && report->system == roles->system;
}

static bool is_better(const struct roles *roles, const struct host_report *reports, size_t one, size_t other)
{
    bool ours = reports[one].system == roles->system;

    if (roles->known && ours != (reports[other].system == roles->system))
        return ours;
    if (reports[one].timeline != reports[other].timeline)
        return reports[one].timeline > reports[other].timeline;
    return roles->known && one == roles->primary;
}

static void crown(struct roles *roles, const struct host_report *report, size_t primary)
{
    if (!roles->known || report->system != roles->system || report->patroni == PATRONI_LEADER)
        roles->timeline = 0;
    if (report->timeline > roles->timeline)
        roles->timeline = report->timeline;
    roles->system = report->system;
    roles->known = true;
    roles->primary = primary;
}

void roles_judge(struct roles *roles, const struct host_report *reports, size_t count)
{
    size_t chosen = count, writers = 0;

    CHECK(count <= UPSTREAM_HOSTS_MAX);
    for (size_t i = 0; i < count; i++) {
        roles->items[i] = role_alone(&reports[i]);
        writers += roles->items[i] == HOST_PRIMARY || roles->items[i] == HOST_STALE ? 1 : 0;
        if (roles->items[i] != HOST_PRIMARY)
            continue;
        if (count > 1 && is_outdated(roles, &reports[i]))
            roles->items[i] = HOST_STALE;
        else if (chosen == count || is_better(roles, reports, i, chosen))
            chosen = i;
    }
    roles->contested = writers > 1;
    for (size_t i = 0; i < count; i++)
        if (roles->items[i] == HOST_PRIMARY && i != chosen)
            roles->items[i] = HOST_STALE;
    if (chosen < count)
        crown(roles, &reports[chosen], chosen);
}
