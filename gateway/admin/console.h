/* SPDX-License-Identifier: PostgreSQL
 * console - the admin console: databases `pgsluice` and `pgbouncer` on any listener, simple and extended
 * protocol. admin_users may do everything, stats_users may SHOW. */
#pragma once

struct client;

/* The client proved who it is; from here on it talks to the console, if its user may. */
void console_begin(struct client *client);
void console_end(struct client *client);
