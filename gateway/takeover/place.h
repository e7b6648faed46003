/* SPDX-License-Identifier: PostgreSQL
 * place - where the takeover socket of a configuration is, so that another process of the same user finds
 * it and nobody else can put one there. Main thread. */
#pragma once

#include <stdbool.h>

#include "gateway/net/address.h"

struct fault;
struct snapshot;

/* False with a fault; false without one (message "") when there is to be none. */
bool place_find(const struct snapshot *snapshot, struct address *address, struct fault *fault);

/* Listens there, for this user only; -1 with a fault. */
int place_listen(const struct address *address, struct fault *fault);
