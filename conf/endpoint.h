/* SPDX-License-Identifier: PostgreSQL
 * endpoint - the spelling of addresses in the configuration: where to listen, where PostgreSQL is. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct arena;

/* Whether text is "IPV4:PORT", "[IPV6]:PORT" or an absolute path that fits a Unix socket address.
 * False: why says what was expected. */
bool endpoint_listens(const char *text, char *why, size_t room);

/* Returns "HOST:PORT", "[IPV6]:PORT" or "/directory:PORT" with the port filled in (5432), in the arena.
 * NULL: why says what was expected. */
const char *endpoint_host(const char *text, struct arena *arena, char *why, size_t room);
