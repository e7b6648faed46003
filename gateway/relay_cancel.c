/* SPDX-License-Identifier: PostgreSQL
 * relay_cancel - cancel requests for what a client runs or waits for. What the gateway itself asked in
 * front of the client's query is never what is cancelled. */
#include <stdlib.h>

#include "gateway/base/fault.h"
#include "gateway/client.h"
#include "gateway/gateway.h"
#include "gateway/relay.h"
#include "gateway/session/owed.h"
#include "gateway/worker.h"

/* One cancel request on its way, and who is told when it arrived. */
struct cancelling {
    struct server *server;
    void (*done)(void *owner);
    void *owner;
};

static void cancel_done(void *owner)
{
    struct cancelling cancelling = *(struct cancelling *)owner;
    bool closed = cancelling.server->state == SERVER_CLOSED;

    free(owner);
    cancelling.done(cancelling.owner);
    server_cancel_done(cancelling.server);
    if (!closed)
        relay_settle(cancelling.server);
}

static void nobody_waits(void *owner)
{
    (void)owner;
}

static void cancel_backend(struct server *server, void (*done)(void *owner), void *owner)
{
    struct worker *worker = list_entry(server->shard->thread, struct worker, thread);
    struct cancelling *cancelling = server->secret_bytes == 0 ? NULL : malloc(sizeof *cancelling);
    struct cancel_request request;

    if (cancelling == NULL) {
        done(owner);
        return;
    }
    *cancelling = (struct cancelling){server, done, owner};
    server->cancels++;
    atomic_fetch_add_explicit(&worker->gateway->counters.cancels_delivered, 1, memory_order_relaxed);
    request =
        (struct cancel_request){&server->address, server->backend_pid, server->secret, server->secret_bytes,
                                worker->generation->snapshot->cancel_wait_timeout_us};
    cancel_deliver(&worker->engine, &worker->cancels, &request, cancel_done, cancelling);
}

static bool only_ours(struct owed_ring *ring)
{
    for (uint32_t i = 0; i < ring->count; i++)
        if (!owed_at(ring, i)->ours)
            return false;
    return true;
}

/* A query of ours, or the end of what we put in front of one. What we prepare inside the client's own batch
 * is a part of that, and may wait for a lock as its own Parse would. */
static bool is_apart(const struct owed *head)
{
    return head->ours && (head->kind == OWED_QUERY || head->kind == OWED_SYNC);
}

void relay_cancel_due(struct server *server)
{
    struct server_session *session = server->session;
    void (*told)(void *owner) = session->cancel_told;
    struct owed *head = owed_head(&session->owed);

    if (told == NULL || (head != NULL && is_apart(head)))
        return;
    session->cancel_told = NULL;
    if (head == NULL)
        told(session->cancel_owner);
    else
        cancel_backend(server, told, session->cancel_owner);
}

/* Nothing on the server is the client's, nor does its next message wait for what is prepared for it. */
static bool runs_nothing(const struct client *client, struct owed_ring *ring)
{
    const struct owed *head = owed_head(ring);

    return head == NULL || (only_ours(ring) && (is_apart(head) || !client->relay.barrier));
}

/* What the gateway itself asked in front of the client's query is not cancelled. */
static bool cancel_running(struct client *client, void (*done)(void *owner), void *owner)
{
    struct server_session *session = client->server->session;
    struct owed *head = owed_head(&session->owed);

    if (runs_nothing(client, &session->owed) || (is_apart(head) && session->cancel_told != NULL)) {
        done(owner);
        return false;
    }
    if (is_apart(head)) {
        session->cancel_told = done;
        session->cancel_owner = owner;
        return true;
    }
    cancel_backend(client->server, done, owner);
    return true;
}

bool relay_cancel(struct client *client, void (*done)(void *owner), void *owner)
{
    struct fault fault;

    if (client->state == CLIENT_WAITING) {
        pool_leave(client->shard, &client->waiter);
        fault_set(&fault, "57014", "canceling statement due to user request");
        client->waiter.failed(&client->waiter, &fault, NULL, 0);
        done(owner);
        return true;
    }
    if (client->state == CLIENT_ACTIVE)
        return cancel_running(client, done, owner);
    done(owner);
    return false;
}

void relay_cancel_backend(struct server *server)
{
    cancel_backend(server, nobody_waits, NULL);
}
