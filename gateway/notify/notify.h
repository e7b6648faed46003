/* SPDX-License-Identifier: PostgreSQL
 * notify - LISTEN on pooled ports, as the relay sees it: hooks, each a branch for clients that never listen.
 * A plain LISTEN is answered here and holds no server. Any other runs on the client's server; when its
 * transaction is over PostgreSQL is asked what the server listens to, the hub takes that over, and the
 * server is free. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "gateway/client.h"
#include "gateway/relay.h"

struct statement_facts;

/* struct owed.listens: queries of ours on a client's server; and what a ReadyForQuery may be to us. */
enum notify_query { NOTIFY_NONE, NOTIFY_REPLAY, NOTIFY_ASK, NOTIFY_MARK, NOTIFY_CLEAN, NOTIFY_HELD };

/* A simple query that nothing was done about yet. True: it is ours, *step says what became of it. */
bool notify_query(struct client *client, const char *text, size_t length, enum step *step);

/* A statement is about to be sent to the linked server. True: not yet, or not at all; *step says which. */
bool notify_before(struct client *client, const struct statement_facts *facts, enum step *step);
/* The same for Bind, which runs what was parsed before. */
bool notify_before_bind(struct client *client, const struct message *message, enum step *step);
/* It was sent. */
void notify_after(struct client *client, const struct statement_facts *facts);

/* The server listens to something, by its command tag or by what it was asked: its channels become the
 * client's at the end of the transaction. False: the hub cannot do that, the client has to keep the server.
 * */
bool notify_suspect(struct client *client);
/* Whether this is the client_encoding of its login, in which a hub hears for it. */
bool notify_is_in(const struct client *client, const char *encoding);
/* DISCARD ALL was executed. */
void notify_discard(struct client *client);

/* What the server says. A NotificationResponse (whole): true when it is to be forwarded as it is. */
bool notify_from_server(struct server *server, const unsigned char *body, size_t size);
/* A DataRow (whole) that answers a query of ours. */
void notify_row(struct server *server, const unsigned char *body, size_t size);
/* A query of ours failed. */
void notify_failed(struct server *server);
/* A ReadyForQuery `I` for the client. True: it is held and not forwarded. */
bool notify_holds(struct server *server);
/* After everything before it went to the client: the ReadyForQuery that answers this query of ours, or is
 * held. */
void notify_ready(struct server *server, enum notify_query which);
/* Whether nothing more of the server may be read now. */
bool notify_stops(const struct server *server);

/* The linked server is clean by the protocol. True when it has nothing of ours. */
bool notify_settled(struct client *client);
/* Whether the linked server may still listen. */
bool notify_keeps(const struct client *client);

/* Whether nothing more of the client may be read before this transaction's notifications came. */
bool notify_is_alone(const struct client *client);

void notify_let_go(struct client *client);
