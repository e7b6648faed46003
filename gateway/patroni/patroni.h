/* SPDX-License-Identifier: PostgreSQL
 * patroni - asks Patroni's REST API of each upstream that names it who leads: every second, ten times a
 * second while the primary is sought. Main thread, by libcurl without blocking. */
#pragma once

#include <ev.h>
#include <stdbool.h>

#include "router/roles.h"

struct fault;
struct host;
struct patroni;
struct snapshot;
struct upstream;

/* NULL with a fault when libcurl cannot be had. */
struct patroni *patroni_open(struct ev_loop *loop, struct fault *fault);
void patroni_close(struct patroni *patroni);

/* Another configuration: what is not named any more is not asked any more. */
void patroni_reload(struct patroni *patroni, const struct snapshot *snapshot);

/* What was last heard of the host; PATRONI_SILENT when no answer of the last seconds is there. */
enum patroni_word patroni_says(const struct patroni *patroni, const struct upstream *upstream,
                               const struct host *host);

/* The primary is sought: all APIs of this upstream are asked within 100 ms. */
void patroni_hurry(struct patroni *patroni, const struct upstream *upstream);
