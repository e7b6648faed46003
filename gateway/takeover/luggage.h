/* SPDX-License-Identifier: PostgreSQL
 * luggage - what a pooled session takes along when another process takes over, as one body of a packet:
 * packed by the old process, unpacked by the new one. It may hold passwords: whoever has it wipes it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/fault.h"
#include "gateway/net/address.h"
#include "gateway/notify/listen_text.h"
#include "gateway/takeover/packet.h"
#include "router/settings.h"

struct arena;

enum { LUGGAGE_NAMES_MAX = 100000, LUGGAGE_CHANNELS_MAX = 100000, LUGGAGE_PARAMETERS_MAX = 256 };

struct setting_list {
    struct setting *items;
    size_t count;
};

/* A protocol-level prepared statement under the client's name. */
struct packed_name {
    const char *name, *query;
    struct chunk types;          /* as in a Parse message, from the 16-bit count */
    uint64_t shape;              /* of its rows, as the client was told; 0: it was not */
    struct setting_list meaning; /* what its text was analysed under */
};

enum luggage_flag {
    LUGGAGE_OPAQUE = 1,           /* as in struct relay */
    LUGGAGE_OTHER_ENCODING = 2,
    LUGGAGE_PLAIN_BACKSLASHES = 4,
    LUGGAGE_DREW = 8,             /* it changed something: what currval would tell is left behind */
    LUGGAGE_DECIDED = 16,         /* its first statements said that it is an application */
    LUGGAGE_UNNAMED = 32,         /* there is an unnamed statement */
    LUGGAGE_FLAGS = 63
};

/* Everything that is pointed to lies in the packed bytes, or in the arena. */
struct luggage {
    uint64_t token;               /* see passage_token */
    uint64_t connected_us, transactions, queries;
    uint32_t pid;                 /* of its cancel key */
    uint8_t flags;
    const char *listener, *user, *database, *startup_name;
    const char *changed_name;     /* "" when it is called as at its start */
    const char *pool_user;        /* whom its servers log in as, with what follows */
    const char *password, *md5;   /* "" = none */
    struct chunk keys;            /* client_key, server_key; or empty */
    struct chunk secret, welcome, unnamed, kept;
    struct address peer;
    struct setting_list parameters, settings;
    struct packed_name *names;
    size_t name_count;
    char (*channels)[CHANNEL_BYTES];
    size_t channel_count;
};

/* False: out of memory, or too much; `pack` is to be freed in any case. */
bool luggage_pack(const struct luggage *luggage, struct pack *pack);

/* Reads what luggage_pack wrote, and takes it for hostile: whatever is true of a packed one holds of what is
 * unpacked (lengths, limits, addresses, terminated strings). The bytes must outlive the luggage. */
bool luggage_unpack(const void *bytes, size_t size, struct arena *arena, struct luggage *luggage,
                    struct fault *fault);
