/* SPDX-License-Identifier: PostgreSQL
 * frame - the five-byte header of protocol 3 messages: one type byte, a length that counts itself.
 * Source: PostgreSQL manual, "Message Formats". Pure functions of bytes; hot path. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FRAME_HEADER_BYTES = 5, FRAME_LENGTH_MAX = 0x3fffffff };

struct frame {
    char type;
    uint32_t size; /* the whole message on the wire: header and body, >= FRAME_HEADER_BYTES */
};

enum frame_result { FRAME_OK, FRAME_SHORT, FRAME_BAD };

static inline uint32_t frame_u32(const void *at)
{
    const unsigned char *b = at;

    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static inline uint16_t frame_u16(const void *at)
{
    const unsigned char *b = at;

    return (uint16_t)(b[0] << 8 | b[1]);
}

/* Reads one header. FRAME_SHORT: fewer than five bytes are there. FRAME_BAD: the length is below 4 or
 * above FRAME_LENGTH_MAX. The body need not be there yet. */
static inline enum frame_result frame_peek(const void *at, size_t available, struct frame *frame)
{
    uint32_t length;

    if (available < FRAME_HEADER_BYTES)
        return FRAME_SHORT;
    length = frame_u32((const char *)at + 1);
    if (length < 4 || length > FRAME_LENGTH_MAX)
        return FRAME_BAD;
    frame->type = *(const char *)at;
    frame->size = length + 1;
    return FRAME_OK;
}
