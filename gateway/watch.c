/* SPDX-License-Identifier: PostgreSQL
 * watch - since when a linked session runs something, is in a transaction, or does nothing. */
#include "gateway/watch.h"

#include "gateway/client.h"
#include "gateway/relay.h"
#include "gateway/session/owed.h"

static void look_at_query(struct client *client, uint32_t owed, uint64_t now_us)
{
    struct watch *watch = &client->watch;
    bool same = watch->running_us != 0 && owed == watch->owed && client->queries == watch->queries;

    if (owed > 0 && same)
        return;
    watch->running_us = owed > 0 ? now_us : 0;
    watch->cancelled_us = watch->late_us = 0;
    client->server->session->late = NULL;
}

static void look_at_transaction(struct client *client, uint64_t now_us)
{
    struct watch *watch = &client->watch;
    bool open = relay_busy(client), same = client->transactions == watch->transactions;

    if (open && same && watch->transaction_us != 0)
        return;
    watch->transaction_us = open ? now_us : 0;
    watch->reported = watch->overdue = false;
}

static void look_at_arrivals(struct client *client, bool running, uint64_t now_us)
{
    struct watch *watch = &client->watch;

    if (running || client->stream.bytes_in != watch->bytes_in || watch->quiet_us == 0)
        watch->quiet_us = now_us;
    watch->bytes_in = client->stream.bytes_in;
}

void watch_linked(struct client *client, uint64_t now_us)
{
    uint32_t owed = client->server->session->owed.count;

    look_at_arrivals(client, owed > 0, now_us);
    look_at_query(client, owed, now_us);
    look_at_transaction(client, now_us);
    client->watch.owed = owed;
    client->watch.queries = client->queries;
    client->watch.transactions = client->transactions;
}

void watch_idle(struct client *client, uint64_t now_us)
{
    look_at_arrivals(client, client->state != CLIENT_IDLE, now_us);
}
