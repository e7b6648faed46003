/* SPDX-License-Identifier: PostgreSQL
 * match - whether a route is for a connection, and if not, which of its conditions says so. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "conf/types.h"

struct connection_facts;
struct route_options;

/* Asks every condition of one of the operator's routes, and the rules that tie classes to modes. False:
 * why_not (when not NULL) gets a clause such as `user "alice" is not "backup_*"`. */
bool match_accepts(const struct route_options *route, const struct connection_facts *facts, enum class class,
                   char *why_not, size_t room);
