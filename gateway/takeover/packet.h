/* SPDX-License-Identifier: PostgreSQL
 * packet - the framing between two processes of which one takes over: a head of 8 bytes (size of the body,
 * kind, whether a descriptor comes with it), then the body. Pure functions of bytes; everything that is
 * read is taken for hostile. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/wire/fields.h"

/* Changes with the meaning of anything in gateway/takeover/packets.def, packet.c and luggage.c. */
enum { TAKEOVER_VERSION = 1, PACKET_HEAD_BYTES = 8, LUGGAGE_MAX_BYTES = 16777216 };

enum packet_kind {
#define PACKET(id, name, most, fd) PACKET_##id,
#include "gateway/takeover/packets.def"
#undef PACKET
    PACKET_KINDS
};

struct packet_head {
    uint32_t size; /* of the body */
    enum packet_kind kind;
    bool has_fd;
};

enum packet_result { PACKET_OK, PACKET_SHORT, PACKET_BAD };

const char *packet_name(enum packet_kind kind);

void packet_write_head(unsigned char head[PACKET_HEAD_BYTES], const struct packet_head *packet);
/* PACKET_BAD: no packet of ours, or one that is larger than its kind may be. */
enum packet_result packet_peek(const void *bytes, size_t available, struct packet_head *packet);

/* A body that grows while it is written. All zero is empty. */
struct pack {
    unsigned char *bytes;
    size_t used, room;
    bool bad; /* memory ran out, or LUGGAGE_MAX_BYTES are full: to be thrown away */
};

void pack_bytes(struct pack *pack, const void *bytes, size_t length);
void pack_u8(struct pack *pack, uint8_t value);
void pack_u32(struct pack *pack, uint32_t value);
void pack_u64(struct pack *pack, uint64_t value);
void pack_text(struct pack *pack, const char *text); /* with its NUL */
void pack_chunk(struct pack *pack, const void *bytes, size_t length); /* its length first */
void pack_free(struct pack *pack); /* wipes it */

/* Bytes within a body. */
struct chunk {
    const void *bytes;
    size_t size;
};

uint64_t unpack_u64(struct reader *reader);
struct chunk unpack_chunk(struct reader *reader);
