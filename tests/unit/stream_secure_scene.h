/* SPDX-License-Identifier: PostgreSQL
 * stream_secure_scene - two streams that speak TLS with each other, for unit tests. */
#pragma once

#include <errno.h>
#include <string.h>

#include "gateway/net/tls.h"
#include "gateway/net/stream_secure.h"
#include "tests/unit/stream_end.h"
#include "tests/unit/tls_files.h"

static inline void pair_open(struct end **server, struct end **client, const struct tls_target *target,
                             bool alpn)
{
    int ends[2];

    loop_sockets(ends);
    *server = end_open(ends[0]);
    *client = end_open(ends[1]);
    stream_secure(&(*server)->stream, tls_accept(server_side, TLS_ASK_NOTHING, alpn), NULL, 0);
    stream_secure(&(*client)->stream, tls_connect(client_side, target), NULL, 0);
}

static inline void pair_ready(struct end **server, struct end **client)
{
    const struct tls_target target = {.name = "db.example", .send_name = true, .check_chain = true,
                                      .check_name = true, .demand_alpn = true};

    pair_open(server, client, &target, true);
    loop_until(loop, (*server)->secured == 1 && (*client)->secured == 1);
}

static inline void say(struct end *end, size_t bytes)
{
    unsigned char piece[5000];

    while (bytes > 0) {
        size_t here = bytes < sizeof piece ? bytes : sizeof piece;

        for (size_t i = 0; i < here; i++)
            piece[i] = loop_byte(end->sent + i);
        stream_forward(&end->stream, piece, here);
        end->sent += here;
        bytes -= here;
    }
}
