/* SPDX-License-Identifier: PostgreSQL
 * probe - proves that the gateway gives sessions of their own, not turns on a pool's shared servers. */
#pragma once

#include <stdbool.h>

struct fault;
struct session;
struct session_target;

/* Must be called before anything else runs on `session`, outside a transaction. Opens a few more sessions
 * of the same target for the length of the call. Fails with FAILURE_POOLED, FAILURE_ADMISSION or
 * FAILURE_CONNECT. */
bool probe_session(struct session *session, const struct session_target *target, struct fault *fault);
