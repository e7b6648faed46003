/* SPDX-License-Identifier: PostgreSQL
 * memory - keeps the process below memory_limit. */
#include "gateway/memory.h"

#include <malloc.h>

#include "gateway/admin/rows.h"
#include "gateway/base/fault.h"
#include "gateway/base/log.h"
#include "gateway/base/machine.h"
#include "gateway/client.h"
#include "gateway/direct_login.h"
#include "gateway/gateway.h"
#include "gateway/worker.h"

/* What a connection costs that holds nothing in flight, measured; TLS on top of it. Who holds less than
 * `least` is not what fills the memory. */
enum { CLIENT_BYTES = 4096, TLS_BYTES = 36864, LEAST_BYTES = 262144, SHED_AT_ONCE = 16 };

void memory_open(struct gateway *gateway)
{
    gateway->memory.machine = machine_memory();
}

static int64_t limit_of(const struct gateway *gateway, const struct snapshot *snapshot)
{
    if (snapshot->memory_limit_bytes == MEMORY_AUTO)
        return gateway->memory.machine / 4 * 3;
    return snapshot->memory_limit_bytes;
}

static int64_t held_by_worker(const struct worker *worker)
{
    const struct stream_engine *engine = &worker->engine;

    return (int64_t)(engine->stock.block_count * sizeof(struct block) + engine->kept_bytes +
                     engine->tls_count * TLS_BYTES + (uint64_t)worker->load * CLIENT_BYTES);
}

static int64_t held_by_all(struct gateway *gateway)
{
    int64_t held = 0;

    for (int i = 0; i < gateway->worker_count; i++)
        held += atomic_load_explicit(&gateway->workers[i].held_bytes, memory_order_relaxed);
    return held;
}

/* Both may lag behind, so the larger one counts. */
static int64_t used(struct gateway *gateway)
{
    int64_t held = held_by_all(gateway), resident = atomic_load(&gateway->memory.resident);

    return held > resident ? held : resident;
}

static bool is_above(struct gateway *gateway, const struct snapshot *snapshot)
{
    int64_t limit = limit_of(gateway, snapshot);

    return limit > 0 && used(gateway) > limit;
}

bool memory_is_scarce(struct gateway *gateway)
{
    return atomic_load_explicit(&gateway->memory.scarce, memory_order_relaxed);
}

static size_t held_by_stream(const struct stream *stream)
{
    return stream->kept_room + stream_backlog(stream);
}

static size_t held_by_names(const struct prepared_names *names)
{
    size_t held = 0;

    for (size_t i = 0; names->table.count > 0 && i <= names->table.mask; i++)
        for (struct table_link *link = names->table.buckets[i]; link != NULL; link = link->next)
            held += table_entry(link, struct prepared_name, link)->statement->query_bytes;
    return held;
}

static size_t held_by_client(const struct client *client)
{
    size_t held = held_by_stream(&client->stream) + held_by_names(&client->names) + client->unnamed.room;

    if (client->server != NULL)
        held += held_by_stream(&client->server->stream);
    if (client->direct != NULL)
        held += held_by_stream(&client->direct->server);
    return held;
}

static struct client *greediest(struct worker *worker, size_t *most)
{
    struct client *found = NULL;

    *most = 0;
    list_each(link, following, &worker->clients) {
        struct client *client = list_entry(link, struct client, link);
        size_t held = client->state == CLIENT_CLOSED ? 0 : held_by_client(client);

        if (held <= *most)
            continue;
        *most = held;
        found = client;
    }
    return found;
}

static void fault_of(const struct client *client, struct fault *fault)
{
    struct gateway *gateway = client->worker->gateway;

    fault_set(fault, "53200", "%s (%lld MB)", reason_sentence(REASON_MEMORY_LIMIT),
              (long long)(limit_of(gateway, client->worker->generation->snapshot) >> 20));
    fault_hint(
        fault,
        "Try again in a moment. SHOW MEMORY on the console tells what it is used for; raise memory_limit, "
        "or lower max_message_hold or max_client_conn.");
}

void memory_refuse(struct client *client)
{
    struct fault fault;

    fault_of(client, &fault);
    client_end(client, REASON_MEMORY_LIMIT, &fault);
}

static void shed(struct client *client, size_t held)
{
    struct fault fault;

    log_warn(client->worker->thread.who,
             "client=%llu holds %zu bytes, more than any other, and is ended for that",
             (unsigned long long)client->id, held);
    atomic_fetch_add(&client->worker->gateway->counters.sessions_shed, 1);
    fault_of(client, &fault);
    client_end(client, REASON_MEMORY_LIMIT, &fault);
    client_cut(client);
}

static bool is_mine_to_shed(const struct worker *worker, size_t most)
{
    const struct gateway *gateway = worker->gateway;

    for (int i = 0; i < gateway->worker_count; i++)
        if (atomic_load(&gateway->workers[i].greediest_bytes) > (int64_t)most)
            return false;
    return true;
}

/* Ends as many as it takes, by what they hold; the worker with the greediest one begins. */
static void relieve(struct worker *worker)
{
    int64_t excess = used(worker->gateway) - limit_of(worker->gateway, worker->generation->snapshot);
    struct client *client;
    size_t most;

    for (int i = 0; i < SHED_AT_ONCE && excess > 0; i++) {
        client = greediest(worker, &most);
        atomic_store(&worker->greediest_bytes, (int64_t)most);
        if (most < LEAST_BYTES || !is_mine_to_shed(worker, most))
            return;
        shed(client, most);
        excess -= (int64_t)most;
    }
}

/* Worker 0 looks for all. What was freed goes back to the kernel first, so that nobody is ended for it. */
static void look(struct worker *worker)
{
    const struct snapshot *snapshot = worker->generation->snapshot;
    struct gateway *gateway = worker->gateway;

    atomic_store(&gateway->memory.resident, machine_resident());
    if (is_above(gateway, snapshot)) {
        malloc_trim(0);
        atomic_store(&gateway->memory.resident, machine_resident());
    }
    if (is_above(gateway, snapshot) == memory_is_scarce(gateway))
        return;
    atomic_store(&gateway->memory.scarce, !memory_is_scarce(gateway));
    log_warn("memory", "%s memory_limit: %lld MB are used",
             memory_is_scarce(gateway) ? "above" : "again below", (long long)(used(gateway) >> 20));
}

void memory_sweep(struct worker *worker)
{
    atomic_store_explicit(&worker->held_bytes, held_by_worker(worker), memory_order_relaxed);
    if (worker->thread.index == 0)
        look(worker);
    if (memory_is_scarce(worker->gateway))
        relieve(worker);
    else
        atomic_store_explicit(&worker->greediest_bytes, 0, memory_order_relaxed);
}

static void add(struct rows *rows, const char *name, int64_t bytes, const char *sentence)
{
    rows_begin(rows);
    rows_text(rows, name);
    rows_number(rows, (uint64_t)(bytes < 0 ? 0 : bytes));
    rows_text(rows, sentence);
    rows_end(rows);
}

void show_memory(struct worker *worker, struct rows *rows)
{
    struct gateway *gateway = worker->gateway;

    add(rows, "limit", limit_of(gateway, worker->generation->snapshot), "memory_limit; 0 = none");
    add(rows, "machine", gateway->memory.machine, "what the machine or its control group has");
    add(rows, "resident", machine_resident(), "what the process has");
    add(rows, "counted", held_by_all(gateway), "what its connections hold");
}
