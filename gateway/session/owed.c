/* SPDX-License-Identifier: PostgreSQL
 * owed - the answers that a server still owes, in the order of the requests. */
#include "gateway/session/owed.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"

enum { FIRST_ROOM = 16 };

struct server_session *session_new(void)
{
    struct server_session *session = calloc(1, sizeof *session);

    if (session != NULL)
        set_init(&session->prepared);
    return session;
}

void session_free(struct server_session *session)
{
    if (session->cancel_told != NULL)
        session->cancel_told(session->cancel_owner);
    while (session->owed.count > 0)
        owed_pop(&session->owed);
    free(session->owed.items);
    set_clear(&session->prepared);
    for (size_t i = 0; i < session->materials.count; i++)
        session->materials.names[i]->material = MATERIAL_NONE;
    name_list_free(&session->materials);
    free(session->replaced);
    free(session->excuse);
    free(session);
}

struct owed *owed_at(struct owed_ring *ring, uint32_t index)
{
    CHECK(index < ring->count);
    return &ring->items[(ring->head + index) & (ring->room - 1)];
}

static bool ring_grow(struct owed_ring *ring)
{
    uint32_t room = ring->room == 0 ? FIRST_ROOM : ring->room * 2;
    struct owed *wider = calloc(room, sizeof *wider);

    if (wider == NULL)
        return false;
    for (uint32_t i = 0; i < ring->count; i++)
        wider[i] = *owed_at(ring, i);
    free(ring->items);
    ring->items = wider;
    ring->head = 0;
    ring->room = room;
    return true;
}

bool owed_push(struct owed_ring *ring, const struct owed *owed)
{
    if (ring->count == ring->room && !ring_grow(ring))
        return false;
    ring->items[(ring->head + ring->count) & (ring->room - 1)] = *owed;
    ring->count++;
    return true;
}

static void owed_forget(struct owed *owed)
{
    if (owed->statement != NULL)
        statement_release(owed->statement);
    if (owed->name != NULL)
        name_release(owed->name);
    owed->statement = NULL;
    owed->name = NULL;
}

bool owed_evicts(struct owed_ring *ring, const struct statement *statement)
{
    for (uint32_t i = 0; i < ring->count; i++)
        if (owed_at(ring, i)->evicts && owed_at(ring, i)->statement == statement)
            return true;
    return false;
}

bool owed_closes(struct owed_ring *ring, const char *name)
{
    bool synced = false;

    for (uint32_t i = ring->count; i > 0; i--) {
        const struct owed *owed = owed_at(ring, i - 1);

        synced = synced || owed->kind == OWED_SYNC;
        if (synced && owed->kind == OWED_CLOSE && owed->name != NULL && strcmp(owed->name->name, name) == 0)
            return true;
    }
    return false;
}

void owed_pop(struct owed_ring *ring)
{
    CHECK(ring->count > 0);
    owed_forget(&ring->items[ring->head]);
    ring->head = (ring->head + 1) & (ring->room - 1);
    ring->count--;
}

void owed_remove(struct owed_ring *ring, uint32_t index)
{
    owed_forget(owed_at(ring, index));
    for (uint32_t i = index; i + 1 < ring->count; i++)
        *owed_at(ring, i) = *owed_at(ring, i + 1);
    ring->count--;
}

/* In front of the body. */
struct replaced {
    uint64_t number, unnamed_of;
    size_t bytes;
    bool known, unread;
};

uint32_t unnamed_keep(struct server_session *session, const struct unnamed *unnamed)
{
    struct replaced head = {.number = unnamed->number,
                            .unnamed_of = session->unnamed_of,
                            .bytes = unnamed->known ? unnamed->bytes : 0,
                            .known = unnamed->known,
                            .unread = unnamed->unread};
    size_t at;

    if (session->owed.count == 0)
        session->replaced_used = 0;
    at = session->replaced_used;
    if (session->replaced == NULL)
        session->replaced = malloc(REPLACED_MAX_BYTES);
    if (session->replaced == NULL || head.bytes > REPLACED_MAX_BYTES ||
        at + sizeof head + head.bytes > REPLACED_MAX_BYTES)
        return 0;
    memcpy(session->replaced + at, &head, sizeof head);
    if (head.bytes > 0)
        memcpy(session->replaced + at + sizeof head, unnamed->body, head.bytes);
    session->replaced_used = at + sizeof head + head.bytes;
    return (uint32_t)at + 1;
}

void unnamed_return(struct server_session *session, struct unnamed *unnamed, uint32_t before)
{
    static const struct statement_facts nothing;
    const unsigned char *kept = session->replaced + before - 1;
    struct replaced head;

    memcpy(&head, kept, sizeof head);
    unnamed_forget(unnamed);
    if (head.known && !unnamed_set(unnamed, kept + sizeof head, head.bytes, &nothing))
        return;
    unnamed->unread = head.unread;
    unnamed->number = head.number;
    unnamed->version = UINT64_MAX; /* its text is looked at again */
    session->unnamed_of = head.unnamed_of;
}
