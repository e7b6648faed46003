/* SPDX-License-Identifier: PostgreSQL
 * route - the first of the operator's routes that is for a connection, or a built-in one. */
#pragma once

#include "conf/snapshot.h"

struct connection_facts;

/* Never NULL. Built-in: every class but app goes direct, app as the listener serves, and a listener whose
 * mode is reject rejects all but the console. */
const struct route_options *route_find(const struct snapshot *snapshot, const struct connection_facts *facts,
                                       enum class class);

/* How a session of that class is served by that route on that listener, before on_wrong_port: a direct
 * listener serves everything direct, and so does a session route for what must not share servers. */
enum mode route_mode(const struct route_options *route, const struct listener_options *listener,
                     enum class class);

bool route_is_builtin(const struct route_options *route);
