/* SPDX-License-Identifier: PostgreSQL
 * fuzz_luggage - whatever another process sends as a packet or as a session, what is read of it lies within
 * it, and a session that was taken packs to the same bytes again. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "gateway/base/arena.h"
#include "gateway/base/check.h"
#include "gateway/takeover/luggage.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_packet(const uint8_t *data, size_t size)
{
    unsigned char head[PACKET_HEAD_BYTES];
    struct packet_head packet;

    if (packet_peek(data, size, &packet) != PACKET_OK)
        return;
    CHECK(packet.size <= size - PACKET_HEAD_BYTES && packet.size <= LUGGAGE_MAX_BYTES);
    packet_write_head(head, &packet);
    CHECK(memcmp(head, data, sizeof head) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new();
    struct luggage luggage;
    struct pack pack = {0};
    struct fault fault;

    CHECK(arena != NULL);
    check_packet(data, size);
    if (luggage_unpack(data, size, arena, &luggage, &fault)) {
        CHECK(luggage_pack(&luggage, &pack));
        CHECK(pack.used == size && memcmp(pack.bytes, data, size) == 0);
    }
    pack_free(&pack);
    arena_free(arena);
    return 0;
}
