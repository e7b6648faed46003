/* SPDX-License-Identifier: PostgreSQL
 * reported - settings that PostgreSQL reports (ParameterStatus) and whose value is not that of the login. */
#pragma once

struct server;

/* The server reported this value: notes whether the name differs now. Out of memory retires the server. */
void reported_note(struct server *server, const char *name, const char *value);
