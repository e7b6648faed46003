/* SPDX-License-Identifier: PostgreSQL
 * packet - the framing between two processes of which one takes over. */
#include "gateway/takeover/packet.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/wire/frame.h"

enum fd_rule { NO, YES };

static const struct {
    const char *name;
    uint32_t most;
    enum fd_rule fd;
} kinds[] = {
#define PACKET(id, name, most, fd) {name, most, fd},
#include "gateway/takeover/packets.def"
#undef PACKET
};

const char *packet_name(enum packet_kind kind)
{
    return kinds[kind].name;
}

void packet_write_head(unsigned char head[PACKET_HEAD_BYTES], const struct packet_head *packet)
{
    const unsigned char bytes[PACKET_HEAD_BYTES] = {
        (unsigned char)(packet->size >> 24), (unsigned char)(packet->size >> 16),
        (unsigned char)(packet->size >> 8),  (unsigned char)packet->size,
        (unsigned char)packet->kind,         packet->has_fd,
    };

    memcpy(head, bytes, sizeof bytes);
}

enum packet_result packet_peek(const void *bytes, size_t available, struct packet_head *packet)
{
    const unsigned char *head = bytes;

    if (available < PACKET_HEAD_BYTES)
        return PACKET_SHORT;
    if (head[4] >= PACKET_KINDS || head[5] != (kinds[head[4]].fd == YES) || head[6] != 0 || head[7] != 0)
        return PACKET_BAD;
    packet->size = frame_u32(head);
    packet->kind = (enum packet_kind)head[4];
    packet->has_fd = head[5] != 0;
    if (packet->size > kinds[packet->kind].most)
        return PACKET_BAD;
    return available - PACKET_HEAD_BYTES < packet->size ? PACKET_SHORT : PACKET_OK;
}

static bool reserve(struct pack *pack, size_t more)
{
    size_t room = pack->room == 0 ? 512 : pack->room;
    unsigned char *wider;

    if (pack->bad || more > LUGGAGE_MAX_BYTES - pack->used) {
        pack->bad = true;
        return false;
    }
    if (pack->room - pack->used >= more)
        return true;
    while (room - pack->used < more)
        room *= 2;
    wider = malloc(room);
    if (wider == NULL) {
        pack->bad = true;
        return false;
    }
    if (pack->used > 0) {
        memcpy(wider, pack->bytes, pack->used);
        explicit_bzero(pack->bytes, pack->used); /* passwords may be among them */
    }
    free(pack->bytes);
    pack->bytes = wider;
    pack->room = room;
    return true;
}

void pack_bytes(struct pack *pack, const void *bytes, size_t length)
{
    if (length == 0 || !reserve(pack, length))
        return;
    memcpy(pack->bytes + pack->used, bytes, length);
    pack->used += length;
}

void pack_u8(struct pack *pack, uint8_t value)
{
    pack_bytes(pack, &value, 1);
}

void pack_u32(struct pack *pack, uint32_t value)
{
    const unsigned char bytes[] = {(unsigned char)(value >> 24), (unsigned char)(value >> 16),
                                   (unsigned char)(value >> 8), (unsigned char)value};

    pack_bytes(pack, bytes, sizeof bytes);
}

void pack_u64(struct pack *pack, uint64_t value)
{
    pack_u32(pack, (uint32_t)(value >> 32));
    pack_u32(pack, (uint32_t)value);
}

void pack_text(struct pack *pack, const char *text)
{
    pack_bytes(pack, text, strlen(text) + 1);
}

void pack_chunk(struct pack *pack, const void *bytes, size_t length)
{
    pack_u32(pack, (uint32_t)length);
    pack_bytes(pack, bytes, length);
}

void pack_free(struct pack *pack)
{
    if (pack->bytes != NULL)
        explicit_bzero(pack->bytes, pack->used);
    free(pack->bytes);
    memset(pack, 0, sizeof *pack);
}

uint64_t unpack_u64(struct reader *reader)
{
    uint64_t high = reader_u32(reader);

    return high << 32 | reader_u32(reader);
}

struct chunk unpack_chunk(struct reader *reader)
{
    size_t size = reader_u32(reader);
    const void *bytes = reader_bytes(reader, size);

    return bytes == NULL ? (struct chunk){"", 0} : (struct chunk){bytes, size};
}
