/* SPDX-License-Identifier: PostgreSQL
 * supervisor - what systemd is told. Source: sd_notify(3), sd_watchdog_enabled(3). Without $NOTIFY_SOCKET
 * nothing is said. */
#include "gateway/supervisor.h"

#include <ev.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/gateway.h"
#include "gateway/worker.h"

struct watchdog {
    struct gateway *gateway;
    ev_timer timer;
    uint64_t seen[64]; /* heartbeats of the workers */
    pid_t main_pid;    /* only the service's main process feeds it */
};

static struct watchdog watchdog; /* [main] */

/* The workers' loops turn at least ten times a second. */
static void feed(struct ev_loop *loop, ev_timer *timer, int events)
{
    bool turning = true;

    (void)loop;
    (void)timer;
    (void)events;
    for (int i = 0; i < watchdog.gateway->worker_count; i++) {
        uint64_t beat = atomic_load(&watchdog.gateway->workers[i].heartbeat);

        if (beat == watchdog.seen[i]) {
            log_error("main", "watchdog: the loop of worker%d does not turn", i);
            turning = false;
        }
        watchdog.seen[i] = beat;
    }
    if (turning && watchdog.main_pid == getpid())
        sd_notify(0, "WATCHDOG=1");
}

void supervisor_ready(struct gateway *gateway)
{
    uint64_t interval_us = 0;

    watchdog.gateway = gateway;
    watchdog.main_pid = getpid();
    if (sd_watchdog_enabled(0, &interval_us) > 0) {
        double half = (double)interval_us / 2e6;

        ev_timer_init(&watchdog.timer, feed, half, half);
        ev_timer_start(gateway->loop, &watchdog.timer);
    }
    unsetenv("WATCHDOG_PID"); /* a process that takes over is the next one to feed it */
    sd_notify(0, "READY=1\nSTATUS=serving");
}

void supervisor_reloading(void)
{
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)clock_now_us());
}

void supervisor_reloaded(void)
{
    sd_notify(0, "READY=1");
}

void supervisor_stopping(struct gateway *gateway)
{
    ev_timer_stop(gateway->loop, &watchdog.timer);
    if (watchdog.main_pid == getpid())
        sd_notify(0, "STOPPING=1");
}

void supervisor_main_pid(pid_t pid)
{
    watchdog.main_pid = pid;
    sd_notifyf(0, "MAINPID=%d\nREADY=1", (int)pid);
}
