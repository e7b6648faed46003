/* SPDX-License-Identifier: PostgreSQL
 * packing - packs what a pooled session takes along when another process takes over. */
#pragma once

#include <stdbool.h>

#include "gateway/takeover/luggage.h"

struct client;

/* An idle session that is not read any more, with all that was said to it sent. False: too much, or out of
 * memory. */
bool packing_client(const struct client *client, struct pack *pack);
