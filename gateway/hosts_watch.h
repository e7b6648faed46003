/* SPDX-License-Identifier: PostgreSQL
 * hosts_watch - puts together what is heard of every host (by its control connection, by logins, by Patroni),
 * has the roles judged and tells the pools. Main thread. */
#pragma once

#include <ev.h>
#include <stdbool.h>

struct fault;
struct gateway;
struct patroni;
struct snapshot;

struct hosts_watch {
    struct gateway *gateway;
    struct patroni *patroni;
    ev_timer turn;
};

bool hosts_watch_open(struct hosts_watch *watch, struct gateway *gateway, struct fault *fault);
void hosts_watch_reload(struct hosts_watch *watch, const struct snapshot *snapshot);
void hosts_watch_close(struct hosts_watch *watch);
