/* SPDX-License-Identifier: PostgreSQL
 * linger - keeps a slot of the budget until PostgreSQL has let go of a connection that was closed here: its
 * backend is gone when it closes its side. */
#pragma once

#include "router/budget.h"

struct pool_thread;

/* Gives the slot back when the peer of this socket has closed, or after a second. The caller closes the
 * socket itself afterwards; what still comes is thrown away. An empty slot is nothing to do. */
void linger_start(struct pool_thread *thread, int fd, struct budget_slot *slot);

/* Ends all waiting, at the end of the process. */
void linger_close(struct pool_thread *thread);
