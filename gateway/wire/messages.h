/* SPDX-License-Identifier: PostgreSQL
 * messages - what is known of every message type before its body is looked at; rows in messages.def. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum message_side { MESSAGE_CLIENT, MESSAGE_SERVER }; /* who sends it */

enum message_flag {
    MESSAGE_KNOWN = 1 << 0,
    MESSAGE_LARGE = 1 << 1,        /* may have any length; all others at most MESSAGE_SMALL_MAX_BYTES */
    MESSAGE_EMPTY = 1 << 2,        /* has no body */
    MESSAGE_LOGIN = 1 << 3,        /* only before the first ReadyForQuery */
    MESSAGE_NEEDS_SERVER = 1 << 4, /* starts or continues work on a server */
    MESSAGE_OWES_READY = 1 << 5,   /* is answered by exactly one ReadyForQuery (Sync not within COPY IN) */
    MESSAGE_EXTENDED = 1 << 6,     /* skipped by the server after an error, up to the next Sync */
    MESSAGE_COPY = 1 << 7,         /* part of a COPY stream; outside of one a stray to be dropped */
    MESSAGE_UNASKED = 1 << 8,      /* may come at any time, also to a server that nobody uses */
    MESSAGE_COMPLETES = 1 << 9     /* ends the answer to one Parse, Bind, Close or Execute */
};

enum { MESSAGE_SMALL_MAX_BYTES = 65536 };

extern const uint16_t message_flag_table[2][256];
extern const char *const message_name_table[2][256];

/* Flags of a type byte; 0 when this side has no such message. */
static inline unsigned message_flags(enum message_side side, char type)
{
    return message_flag_table[side][(unsigned char)type];
}

/* The manual's name ("ReadyForQuery"); NULL when this side has no such message. */
static inline const char *message_name(enum message_side side, char type)
{
    return message_name_table[side][(unsigned char)type];
}

/* Whether a message of this side may have `size` bytes on the wire, header included. Unknown ones may not. */
static inline bool message_size_valid(enum message_side side, char type, uint32_t size)
{
    unsigned flags = message_flags(side, type);

    if ((flags & MESSAGE_EMPTY) != 0)
        return size == 5;
    return (flags & MESSAGE_LARGE) != 0 || (flags != 0 && size <= MESSAGE_SMALL_MAX_BYTES);
}
