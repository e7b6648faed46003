/* SPDX-License-Identifier: PostgreSQL
 * relay_answer - what one message of PostgreSQL means for the bookkeeping of its server and client. */
#include "gateway/relay_answer.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/client.h"
#include "gateway/gateway.h"
#include "gateway/notify/notify.h"
#include "gateway/policy.h"
#include "gateway/relay.h"
#include "gateway/relay_error.h"
#include "gateway/relay_names.h"
#include "gateway/relay_place.h"
#include "gateway/relay_sequence.h"
#include "gateway/relay_state.h"
#include "gateway/session/owed.h"
#include "gateway/wire/fields.h"
#include "gateway/worker.h"

static bool head_is_ours(struct owed_ring *ring)
{
    struct owed *head = owed_head(ring);

    return head != NULL && head->ours;
}

/* The server skips to the next Sync: everything before it was not executed and is taken back, last first. */
static void skip_to_sync(struct server *server)
{
    struct owed_ring *ring = &server->session->owed;
    uint32_t end = 0;

    while (end < ring->count && owed_at(ring, end)->kind != OWED_SYNC)
        end++;
    for (uint32_t i = end; i > 0; i--)
        place_undo(server, owed_at(ring, i - 1));
    if (end == ring->count && server->client != NULL)
        ((struct client *)server->client)->relay.skip_to_sync = true;
    for (uint32_t i = 0; i < end; i++)
        owed_pop(ring);
}

/* A query of ours failed. */
static enum fate on_own_error(struct server *server, const struct owed *head,
                              const struct error_fields *fields)
{
    if (head->purpose == PURPOSE_PROBE) {
        server->session->probe_failed = true;
        log_debug(server->shard->thread->who, "server=%llu did not say what a session left in it: %s %s",
                  (unsigned long long)server->id, fields->sqlstate, fields->message);
        return FATE_SWALLOW;
    }
    if (head->purpose == PURPOSE_REPLAY && server->client != NULL) {
        replay_failed(server, fields);
        return FATE_ENDED;
    }
    notify_failed(server);
    server->retire = true;
    return FATE_SWALLOW;
}

static enum fate as_worded(struct server *server, const unsigned char *body, size_t size)
{
    return relay_error_differs(server, body, size) ? FATE_REPLACE : FATE_FORWARD;
}

static enum fate on_error(struct server *server, const unsigned char *body, size_t size)
{
    struct client *client = server->client;
    struct owed *head = owed_head(&server->session->owed);
    struct error_fields fields;
    bool told;

    fields_error(body, size, &fields);
    if (strcmp(fields.severity, "FATAL") == 0 || strcmp(fields.severity, "PANIC") == 0) {
        server->session->said_fatal = true;
        return FATE_FORWARD;
    }
    if (head == NULL)
        return FATE_FORWARD;
    if (client != NULL)
        client->relay.copying = false;
    if (head->ours && head->kind == OWED_QUERY)
        return on_own_error(server, head, &fields);
    if (client != NULL)
        state_failed(client);
    told = head->refused != 0;
    if (told && client != NULL)
        policy_tell(client, head->refused);
    if (head->kind == OWED_QUERY || head->kind == OWED_FUNCTION)
        return told ? FATE_SWALLOW : as_worded(server, body, size);
    if (head->kind == OWED_SYNC)
        return FATE_FORWARD; /* a deferred constraint or the like fails at the Sync itself */
    skip_to_sync(server);
    if (told)
        return FATE_SWALLOW;
    if (!head_is_ours(&server->session->owed))
        return as_worded(server, body, size);
    if (!relay_error_keep(server, body, size)) /* our own Sync follows: a simple query waits behind it */
        server->retire = true;
    return FATE_SWALLOW;
}

/* Only this thread writes the shard's numbers, so that no locked instruction is needed. */
static void count_transaction(struct client *client, struct pool_shard *shard)
{
    uint64_t before = atomic_load_explicit(&shard->transactions, memory_order_relaxed);

    client->transactions++;
    atomic_store_explicit(&shard->transactions, before + 1, memory_order_relaxed);
}

static enum fate on_ready(struct server *server, const unsigned char *body, size_t size)
{
    struct client *client = server->client;
    struct owed *head = owed_head(&server->session->owed);
    uint8_t purpose;
    bool ours;

    if (head == NULL || size != 1 ||
        (head->kind != OWED_QUERY && head->kind != OWED_FUNCTION && head->kind != OWED_SYNC))
        return FATE_BROKEN;
    if (body[0] != 'I' && body[0] != 'T' && body[0] != 'E')
        return FATE_BROKEN;
    ours = head->ours;
    purpose = head->purpose;
    server->session->listens = head->listens;
    server->status = (char)body[0];
    owed_pop(&server->session->owed);
    if (purpose == PURPOSE_PROBE) {
        state_answer_end(server, server->session->probe_failed);
        server->session->probe_failed = false;
    }
    if (ours)
        relay_cancel_due(server);
    else if (server->session->excuse != NULL)
        relay_error_forget(server);
    if (client != NULL && !ours && server->status == 'I') {
        count_transaction(client, server->shard);
        state_transaction_ended(client);
        if (client->listening != NULL && notify_holds(server))
            server->session->listens = NOTIFY_HELD;
    }
    return ours || server->session->listens != NOTIFY_NONE ? FATE_SWALLOW : FATE_FORWARD;
}

static bool is_one_of(const unsigned char *tag, size_t length, const char words[][4], size_t count)
{
    for (size_t i = 0; i < count && length > 2; i++)
        if (memcmp(tag, words[i], 3) == 0)
            return true;
    return false;
}

/* Whatever writes may have drawn from a sequence; what makes rows or runs code most likely has. */
static void executed(struct client *client, const unsigned char *tag, size_t length)
{
    static const char draws[][4] = {"INS", "MER", "COP", "CAL", "DO"}, writes[][4] = {"UPD", "DEL"};
    bool surely = is_one_of(tag, length + 1, draws, sizeof draws / sizeof *draws);

    if (surely || is_one_of(tag, length, writes, sizeof writes / sizeof *writes))
        sequence_drew(client, surely);
    state_executed(client, (const char *)tag, length);
}

/* Command tags say what was really executed. */
static void on_tag(struct server *server, const unsigned char *body, size_t size)
{
    struct client *client = server->client;

    if (client != NULL && size > 1)
        executed(client, body, size - 1);
    if (size == 0 || body[0] != 'D')
        return;
    relay_names_done(server, body, size);
    if (client != NULL && size == sizeof "DISCARD ALL" && memcmp(body, "DISCARD ALL", size) == 0)
        notify_discard(client);
}

/* One request of the extended protocol is answered. */
static enum fate answered(struct server *server, enum owed_kind kind)
{
    struct owed *head = owed_head(&server->session->owed);
    bool ours;

    if (head == NULL)
        return FATE_BROKEN;
    ours = head->ours;
    if (head->kind != kind)
        return head->kind == OWED_QUERY ? (ours ? FATE_SWALLOW : FATE_FORWARD) : FATE_BROKEN;
    if (head->prepares && head->statement != NULL)
        set_confirm(&server->session->prepared, head->statement);
    if (head->name != NULL)
        head->name->confirmed = true;
    owed_pop(&server->session->owed);
    return ours ? FATE_SWALLOW : FATE_FORWARD;
}

static bool is_of_statement(const struct owed *owed)
{
    return owed != NULL && owed->kind == OWED_DESCRIBE && (owed->statement != NULL || owed->name != NULL);
}

static enum fate on_description(struct server *server, char type, const unsigned char *body, size_t size)
{
    struct owed *head = owed_head(&server->session->owed);

    if (is_of_statement(head))
        place_described(server, head, type == 'T' ? body : NULL, size);
    return answered(server, OWED_DESCRIBE);
}

/* The server takes COPY data: Syncs that were sent before the data's end are ignored by it. */
static enum fate on_copy_in(struct server *server)
{
    struct client *client = server->client;
    struct owed_ring *ring = &server->session->owed;
    struct owed *head = owed_head(ring);
    bool ended = false;

    if (client == NULL || head == NULL || head->ours)
        return FATE_BROKEN;
    for (uint32_t i = 1; i < ring->count && !ended;) {
        enum owed_kind kind = owed_at(ring, i)->kind;

        ended = kind == OWED_COPY_END;
        if (kind == OWED_SYNC && head->kind == OWED_EXECUTE)
            owed_remove(ring, i);
        else
            i++;
    }
    client->relay.copying = !ended;
    return FATE_FORWARD;
}

/* A reported setting changed. */
static enum fate on_parameter(struct server *server, const unsigned char *body, size_t size)
{
    bool ours = head_is_ours(&server->session->owed);
    struct client *client = server->client;
    const char *name, *value;

    if (!fields_parameter_status(body, size, &name, &value))
        return FATE_BROKEN;
    if (strcmp(name, "client_encoding") == 0 && client != NULL && !ours)
        client->relay.other_encoding = !notify_is_in(client, value);
    if (strcmp(name, "application_name") == 0)
        snprintf(server->application_name, sizeof server->application_name, "%s", value);
    if (ours)
        return FATE_SWALLOW;
    if (client == NULL)
        server->retire = true;
    if (client == NULL)
        return FATE_FORWARD;
    switch (state_reported(client, name, value)) {
    case REPORT_SWALLOWED:
        return FATE_SWALLOW;
    case REPORT_REPLACED:
        return FATE_RENAME;
    case REPORT_FORWARDED:
        break;
    }
    return FATE_FORWARD;
}

static enum fate on_complete(struct server *server, char type, const unsigned char *body, size_t size)
{
    if (type == 'C' && !head_is_ours(&server->session->owed))
        on_tag(server, body, size);
    return answered(server, OWED_EXECUTE);
}

static enum fate on_row(struct server *server, const unsigned char *body, size_t size)
{
    struct owed *head = owed_head(&server->session->owed);

    if (head == NULL || !head->ours)
        return FATE_FORWARD;
    if (head->purpose == PURPOSE_PROBE)
        state_answer_row(server, body, size);
    else
        notify_row(server, body, size);
    return FATE_SWALLOW;
}

enum fate relay_answer(struct server *server, char type, const unsigned char *body, size_t size)
{
    switch (type) {
    case 'Z':
        return on_ready(server, body, size);
    case 'E':
        return on_error(server, body, size);
    case 'C':
    case 'I':
    case 's':
        return on_complete(server, type, body, size);
    case '1':
        return answered(server, OWED_PARSE);
    case '2':
        return answered(server, OWED_BIND);
    case '3':
        state_closed(server);
        return answered(server, OWED_CLOSE);
    case 'T':
    case 'n':
        return on_description(server, type, body, size);
    case 'G':
        return on_copy_in(server);
    case 'S':
        return on_parameter(server, body, size);
    case 'D':
        return on_row(server, body, size);
    case 'N':
    case 't':
    case 'H':
    case 'V':
    case 'd':
    case 'c':
        return head_is_ours(&server->session->owed) ? FATE_SWALLOW : FATE_FORWARD;
    case 'A':
        return notify_from_server(server, body, size) ? FATE_FORWARD : FATE_SWALLOW;
    default:
        return FATE_BROKEN;
    }
}

/* A description too large to be held stays unknown. */
bool relay_answer_is_whole(struct server *server, const struct frame *frame, size_t hold)
{
    char type = frame->type;

    return type == 'Z' || type == 'E' || type == 'C' || type == 'S' || type == 'A' ||
           (type == 'D' && head_is_ours(&server->session->owed)) ||
           (type == 'T' && frame->size <= hold && is_of_statement(owed_head(&server->session->owed)));
}
