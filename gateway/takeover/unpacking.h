/* SPDX-License-Identifier: PostgreSQL
 * unpacking - makes a session of what it took along from the process that is taken over. */
#pragma once

#include "gateway/takeover/luggage.h"

struct client;
struct worker;

/* A client in state ARRIVING that is not read yet; it has everything but its channels. Takes over the socket
 * in any case. NULL with a fault when it cannot be served here as it was there. */
struct client *unpacking_client(struct worker *worker, const struct luggage *luggage, int fd,
                                struct fault *fault);
