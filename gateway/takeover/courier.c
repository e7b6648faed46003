/* SPDX-License-Identifier: PostgreSQL
 * courier - cancel requests for sessions that may be in another process. */
#include "gateway/takeover/courier.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/gateway.h"
#include "gateway/requester.h"
#include "gateway/takeover/link.h"
#include "gateway/takeover/takeover.h"
#include "gateway/wire/startup.h"
#include "gateway/worker.h"

/* Between main and a worker. */
struct request_letter {
    struct letter letter;
    struct requester *requester;
    enum courier_way way;
    uint32_t pid;
    size_t bytes;
    unsigned char secret[CANCEL_KEY_MAX_BYTES];
};

void courier_deliver(struct worker *worker, const struct cancel_target *target,
                     const struct cancel_request *request, struct requester *requester)
{
    struct cancel_request aimed = *request;
    struct gateway *gateway = worker->gateway;

    if (!target->direct) {
        worker_send_cancel(&gateway->workers[target->worker], target->client_id, requester);
        return;
    }
    atomic_fetch_add(&gateway->counters.cancels_delivered, 1);
    aimed.backend = &target->backend;
    aimed.limit_us = worker->generation->snapshot->cancel_wait_timeout_us;
    cancel_deliver(&worker->engine, &worker->cancels, &aimed, requester_done, requester);
}

static struct request_letter *letter_new(const struct cancel_request *request, struct requester *requester,
                                         enum courier_way way)
{
    struct request_letter *letter = request->bytes > CANCEL_KEY_MAX_BYTES ? NULL : malloc(sizeof *letter);

    if (letter == NULL) {
        requester_done(requester);
        return NULL;
    }
    *letter = (struct request_letter){
        .requester = requester, .way = way, .pid = request->pid, .bytes = request->bytes};
    memcpy(letter->secret, request->secret, request->bytes);
    return letter;
}

static void at_main(struct letter *letter, void *owner)
{
    struct request_letter *sent = (struct request_letter *)letter;
    struct gateway *gateway = owner;
    struct pack pack = {0};
    const void *goodbye;
    size_t bytes = requester_goodbye(sent->requester, &goodbye);

    pack_u32(&pack, sent->pid);
    pack_chunk(&pack, sent->secret, sent->bytes);
    pack_chunk(&pack, goodbye, bytes);
    if (!pack.bad &&
        takeover_send_cancel(gateway->takeover, &pack, requester_fd(sent->requester), sent->way)) {
        requester_forget(sent->requester);
    } else {
        atomic_fetch_add(&gateway->counters.cancels_ignored, 1);
        requester_done(sent->requester);
    }
    pack_free(&pack);
    explicit_bzero(sent, sizeof *sent);
    free(sent);
}

void courier_pass_on(struct gateway *gateway, const struct cancel_request *request,
                     struct requester *requester, enum courier_way way)
{
    struct request_letter *letter = requester == NULL ? NULL : letter_new(request, requester, way);

    if (letter == NULL)
        return;
    letter->letter.deliver = at_main;
    mailbox_send(&gateway->mailbox, &letter->letter);
}

static void at_worker(struct letter *letter, void *owner)
{
    struct request_letter *sent = (struct request_letter *)letter;
    struct worker *worker = owner;
    const struct cancel_request request = {.pid = sent->pid, .secret = sent->secret, .bytes = sent->bytes};
    struct cancel_target target;

    if (cancel_keys_find(&worker->gateway->cancel_keys, sent->pid, sent->secret, sent->bytes, &target))
        courier_deliver(worker, &target, &request, sent->requester);
    else
        courier_pass_on(worker->gateway, &request, sent->requester, sent->way);
    explicit_bzero(sent, sizeof *sent);
    free(sent);
}

void courier_hear(struct gateway *gateway, struct packet *packet, enum courier_way way)
{
    struct cancel_request request = {0};
    struct request_letter *letter;
    struct chunk secret, goodbye;
    struct reader reader;

    reader_init(&reader, packet->body, packet->size);
    request.pid = reader_u32(&reader);
    secret = unpack_chunk(&reader);
    goodbye = unpack_chunk(&reader);
    if (reader.bad || reader_left(&reader) != 0) {
        close(packet->fd);
        return;
    }
    request.secret = secret.bytes;
    request.bytes = secret.size;
    letter = letter_new(&request, requester_adopt(packet->fd, goodbye.bytes, goodbye.size), way);
    if (letter == NULL)
        return;
    letter->letter.deliver = at_worker;
    mailbox_send(&gateway->workers[0].mailbox, &letter->letter);
}
