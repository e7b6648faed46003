/* SPDX-License-Identifier: PostgreSQL
 * pool_hosts - what it means for pools that hosts change their roles. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "router/hosts.h"

struct fault;
struct pool;
struct pools;
struct server;

/* What the pool's route wants of a host. */
struct wish pool_wish(struct pool *pool);

/* Whether the server may be used for another transaction: its host is still what the route wants. */
bool pool_keeps(const struct server *server);

/* Whether its host has another role or address since it was opened: then it serves no further transaction,
 * not even of a session that is bound to it. */
bool pool_is_former(const struct server *server);

/* Whether that host cannot even be reached: what runs there is not waited for. */
bool pool_is_cut_off(const struct server *server);

/* Whether a login in progress since then is to be given up, because its host went away. */
bool pool_login_is_vain(const struct server *server, uint64_t since_us, uint64_t now_us);

/* The login is done: false with a fault (08001) when its host turned out not to be what the route wants. */
bool pool_takes_host(const struct server *server, enum host_said said, struct fault *fault);

/* How long after this failure a connection is tried again; another host is tried sooner. */
uint64_t pool_retry_us(struct pool *pool, const struct fault *fault);

/* Some host of the upstream has another role: everybody who waits looks again at once. Any thread. */
void pools_hosts_changed(struct pools *pools, const struct upstream *upstream);
