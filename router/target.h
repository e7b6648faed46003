/* SPDX-License-Identifier: PostgreSQL
 * target - which host of an upstream serves a route now: pure decisions from what is known of each. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/types.h"

enum host_role {
#define HOST_ROLE(id, name, sentence) HOST_##id,
#include "conf/host_roles.def"
#undef HOST_ROLE
    HOST_ROLES
};

/* What a route wants of a host. max_lag_us 0: however far behind. */
struct wish {
    enum target target;
    uint64_t max_lag_us;
};

/* A host as the choice sees it. */
struct host_view {
    enum host_role role;
    bool located;     /* its address is known */
    uint64_t lag_us;  /* of a standby */
    int open;         /* server connections there: the one with the fewest is chosen */
};

const char *host_role_name(enum host_role role);

/* Whether sessions that want this may be on a host of this role. With `standbys` others could serve those
 * that only prefer one. An unknown or unreachable host may keep what it has. */
bool target_allows(const struct wish *wish, enum host_role role, uint64_t lag_us, bool standbys);

/* The host for a new connection; `count` when none can serve now. One host alone serves everything. Equal
 * ones are taken in turn. */
size_t target_choose(const struct wish *wish, const struct host_view *hosts, size_t count, unsigned turn);
