/* SPDX-License-Identifier: PostgreSQL
 * gateway_session - the runner's own session on the gateway: proved to be one, and what it says about the
 * server. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "backup/session.h"

struct server_facts {
    const char *where; /* user@host:port */
    const char *version, *system_identifier, *bootstrap_role;
    int64_t version_number;
    bool standby, reads_passwords;
};

/* Opens the session, proves that the gateway is not a transaction pool, lifts its time limits and asks for
 * the facts (in the arena). Servers older than PostgreSQL 14 are refused. */
bool gateway_session_open(struct session *session, const struct session_target *target,
                          struct server_facts *facts, struct arena *arena, struct fault *fault);

/* One run of a job at a time on the whole cluster, whatever machine it is started from. */
bool gateway_session_lock(struct session *session, const char *job, struct arena *arena,
                          struct fault *fault);
