/* SPDX-License-Identifier: PostgreSQL
 * welcome - the end of a login: the parameters of a live server of the right pool, the cancel key,
 * ReadyForQuery. */
#pragma once

struct client;
struct server;

/* The client proved who it is; `brought` is a server connection that its login opened, or NULL. */
/* The parameters of new servers are not those that this client was told: it hears of the ones that changed,
 * but for those that it set itself. */
void welcome_renew(struct client *client);

void welcome_begin(struct client *client, struct server *brought);
