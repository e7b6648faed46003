/* SPDX-License-Identifier: PostgreSQL
 * passage - a session on its way from one process to another. */
#include "gateway/takeover/passage.h"

#include <stdlib.h>

#include "gateway/client.h"
#include "gateway/gateway.h"
#include "gateway/notify/errand.h"
#include "gateway/notify/hub.h"
#include "gateway/worker.h"

uint64_t passage_token(const struct client *client)
{
    return client->id * HUB_WORKERS_MAX + (uint64_t)client->worker->thread.index;
}

struct worker *passage_old_worker(struct gateway *gateway, uint64_t token)
{
    int index = (int)(token % HUB_WORKERS_MAX);

    return &gateway->workers[index < gateway->worker_count ? index : 0];
}

struct worker *passage_new_worker(struct gateway *gateway, uint64_t token)
{
    return &gateway->workers[token / HUB_WORKERS_MAX % (uint64_t)gateway->worker_count];
}

struct passage *passage_new(struct client *client, struct list *list, uint64_t token)
{
    struct passage *passage = calloc(1, sizeof *passage);

    if (passage == NULL)
        return NULL;
    passage->client = client;
    passage->token = token;
    passage->since_us = client->worker->thread.now_us;
    client->passage = passage;
    list_append(list, &passage->link);
    return passage;
}

struct passage *passage_find(struct list *list, uint64_t token)
{
    list_each(link, following, list) {
        struct passage *passage = list_entry(link, struct passage, link);

        if (passage->token == token)
            return passage;
    }
    return NULL;
}

void passage_free(struct passage *passage)
{
    struct client *client = passage->client;

    if (passage->stage != PASSAGE_BEGUN && client->state == CLIENT_LEAVING)
        client->worker->passages.under_way--;
    if (passage->errand != NULL)
        errand_free(passage->errand);
    client->passage = NULL;
    list_remove(&passage->link);
    free(passage);
}

void passage_abandon(struct client *client)
{
    struct passage *passage = client->passage;

    if (client->state == CLIENT_LEAVING && passage->stage != PASSAGE_BEGUN)
        passage_say(passage, SIDE_NEW, PACKET_RECALLED, NULL, 0);
    else if (client->state == CLIENT_ARRIVING && !passage->gone)
        passage_say(passage, SIDE_OLD, PACKET_DECLINED, NULL, 0);
    passage_free(passage);
}

void passage_say(struct passage *passage, enum note_side side, enum packet_kind packet, const void *more,
                 size_t bytes)
{
    struct worker *worker = passage->client->worker;
    struct pack pack = {0};
    struct note *note;

    pack_u64(&pack, passage->token);
    pack_bytes(&pack, more, bytes);
    note = pack.bad ? NULL : note_new(NOTE_PACKET, pack.bytes, pack.used, -1);
    if (note != NULL) {
        note->side = side;
        note->packet = packet;
        note->era = worker->passages.era;
    }
    note_to_main(worker->gateway, note);
    pack_free(&pack);
}
