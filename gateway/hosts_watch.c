/* SPDX-License-Identifier: PostgreSQL
 * hosts_watch - puts together what is heard of every host, has the roles judged and tells the pools.
 * Ten times a second; while an upstream has no primary, everybody who may know is asked as often. */
#include "gateway/hosts_watch.h"

#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/control/control.h"
#include "gateway/gateway.h"
#include "gateway/patroni/patroni.h"
#include "router/hosts.h"
#include "router/pool_hosts.h"

/* SILENT_US: beyond control_interval; SAID_US: how long a login's word counts while the primary is sought. */
enum { SILENT_US = 2000000, SAID_US = 1000000 };
#define TURN_SECONDS 0.1

/* Without a control connection there is what logins met. A standby may be promoted at any time: as long as
 * there is no primary it is worth another try soon. */
static void report_by_logins(const struct host *host, bool primary_known, struct host_report *report)
{
    enum host_said said = (enum host_said)atomic_load(&host->said);
    bool fresh = clock_now_us() < atomic_load(&host->said_us) + SAID_US;

    report->heard = said == SAID_WRITABLE || (said == SAID_STANDBY && (primary_known || fresh)) ||
                    (said == SAID_NO && fresh);
    report->reachable = said != SAID_NO;
    report->in_recovery = said == SAID_STANDBY;
}

static bool said_writable(const struct upstream *upstream)
{
    for (size_t h = 0; h < upstream->host_count; h++)
        if (atomic_load(&upstream->hosts[h].said) == SAID_WRITABLE)
            return true;
    return false;
}

static bool serves_logins(struct hosts_watch *watch, const struct host *host)
{
    const struct control *control = controls_find(&watch->gateway->controls, host);
    int said = atomic_load(&host->said);

    return control != NULL && (said == SAID_WRITABLE || said == SAID_STANDBY) &&
           atomic_load(&host->said_us) > control->failing_since_us && control->failing_since_us != 0;
}

/* False when the control connection never had an answer. */
static bool report_by_control(struct hosts_watch *watch, const struct host *host,
                              struct host_facts *facts, struct host_report *report)
{
    const struct snapshot *snapshot = watch->gateway->generation->snapshot;
    bool known = controls_facts(&watch->gateway->controls, host, facts);

    if (facts->answered_us == 0)
        return false;
    report->heard = true;
    report->reachable =
        known && clock_now_us() < facts->answered_us + snapshot->control_interval_us + SILENT_US;
    report->in_recovery = facts->in_recovery != 0;
    if (!report->reachable && serves_logins(watch, host)) { /* it may have no room for us */
        report->reachable = true;
        report->in_recovery = atomic_load(&host->said) == SAID_STANDBY;
    }
    report->timeline = report->in_recovery ? 0 : (uint32_t)facts->timeline;
    report->system = (uint64_t)facts->system_identifier;
    return true;
}

/* PostgreSQL's own word, and how long ago the standby was where the primary is: a standby that receives
 * nothing has replayed everything that it knows of. */
static uint64_t lag_of(struct host *host, const struct host_facts *facts, const struct host_facts *primary)
{
    struct host_track *track = &host->track;
    uint64_t slack_us = 2 * (primary->answered_us - primary->asked_us) + SILENT_US;
    uint64_t behind_us;

    if (facts->lsn >= track->mark_lsn) {
        track->level_us = track->mark_us;
        track->mark_lsn = primary->lsn;
        track->mark_us = primary->answered_us;
    }
    behind_us = facts->lsn >= primary->lsn || primary->answered_us < track->level_us + slack_us
                    ? 0
                    : primary->answered_us - track->level_us;
    return (uint64_t)facts->lag_us > behind_us ? (uint64_t)facts->lag_us : behind_us;
}

static void watch_upstream(struct upstream *upstream, void *owner)
{
    struct hosts_watch *watch = owner;
    struct host_report reports[UPSTREAM_HOSTS_MAX];
    struct host_facts facts[UPSTREAM_HOSTS_MAX];
    uint64_t lags_us[UPSTREAM_HOSTS_MAX] = {0};
    const struct roles *roles = &upstream->roles;
    bool writable = said_writable(upstream), ruled;

    memset(reports, 0, sizeof reports);
    for (size_t h = 0; h < upstream->host_count; h++) {
        struct host *host = &upstream->hosts[h];

        if (!report_by_control(watch, host, &facts[h], &reports[h]))
            report_by_logins(host, writable, &reports[h]);
        reports[h].patroni = patroni_says(watch->patroni, upstream, host);
        atomic_store(&host->patroni, (int)reports[h].patroni);
    }
    ruled = roles->known && roles->items[roles->primary] == HOST_PRIMARY;
    for (size_t h = 0; h < upstream->host_count; h++)
        if (ruled && reports[h].in_recovery && facts[h].answered_us != 0)
            lags_us[h] = lag_of(&upstream->hosts[h], &facts[h], &facts[roles->primary]);
    if (upstream_judge(upstream, reports, lags_us))
        pools_hosts_changed(&watch->gateway->pools, upstream);
    if (roles->known && roles->items[roles->primary] != HOST_PRIMARY) {
        controls_ask_soon(&watch->gateway->controls);
        patroni_hurry(watch->patroni, upstream);
    }
}

static void on_turn(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct hosts_watch *watch = timer->data;

    (void)loop;
    (void)events;
    gateway_each_upstream(watch->gateway, watch_upstream, watch);
}

bool hosts_watch_open(struct hosts_watch *watch, struct gateway *gateway, struct fault *fault)
{
    watch->gateway = gateway;
    watch->patroni = patroni_open(gateway->loop, fault);
    if (watch->patroni == NULL)
        return false;
    patroni_reload(watch->patroni, gateway->generation->snapshot);
    ev_timer_init(&watch->turn, on_turn, 0., TURN_SECONDS);
    watch->turn.data = watch;
    ev_timer_start(gateway->loop, &watch->turn);
    return true;
}

void hosts_watch_reload(struct hosts_watch *watch, const struct snapshot *snapshot)
{
    patroni_reload(watch->patroni, snapshot);
}

void hosts_watch_close(struct hosts_watch *watch)
{
    if (watch->patroni == NULL)
        return;
    ev_timer_stop(watch->gateway->loop, &watch->turn);
    patroni_close(watch->patroni);
}
