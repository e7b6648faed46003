/* SPDX-License-Identifier: PostgreSQL
 * fake_upstream - a PostgreSQL for unit tests: takes logins on a loopback port, says nothing else, counts. */
#pragma once

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/check.h"
#include "gateway/base/fault.h"
#include "gateway/net/socket.h"
#include "gateway/wire/frame.h"
#include "gateway/wire/write.h"

enum { FAKE_PEERS = 64 };

/* Zero it, then fake_open. The counts are of this side: what a test sees here, PostgreSQL would see. */
struct fake_upstream {
    int listener, port;
    struct fake_peer {
        int fd; /* -1: free */
        bool welcomed;
        size_t heard_bytes;
        unsigned char heard[512]; /* what came first: the startup packet */
    } peers[FAKE_PEERS];
    int open, peak, accepted, left;
    bool holds;          /* logins get no answer */
    const char *refuses; /* logins get this SQLSTATE; "": they are hung up on */
};

static inline void fake_open(struct fake_upstream *fake)
{
    struct address address;
    struct fault fault;

    CHECK(address_numeric("127.0.0.1", 0, &address));
    fake->listener = socket_listen(&address, 64, &fault);
    CHECK(fake->listener >= 0 && getsockname(fake->listener, &address.any, &address.length) == 0);
    fake->port = ntohs(((struct sockaddr_in *)&address.storage)->sin_port);
    for (int i = 0; i < FAKE_PEERS; i++)
        fake->peers[i].fd = -1;
}

static inline void fake_hang_up(struct fake_upstream *fake, struct fake_peer *peer)
{
    close(peer->fd);
    peer->fd = -1;
    fake->open--;
    fake->left++;
}

static inline void fake_answer(struct fake_upstream *fake, struct fake_peer *peer)
{
    unsigned char message[WRITE_ERROR_ROOM];
    struct builder b;
    struct fault fault;

    builder_init(&b, message, sizeof message);
    if (fake->refuses != NULL && *fake->refuses != '\0') {
        fault_set(&fault, fake->refuses, "no, says the server");
        write_error(&b, 'E', "FATAL", &fault);
    } else if (fake->refuses == NULL) {
        write_authentication(&b, 0, NULL, 0);
        write_parameter_status(&b, "server_version", "15.0");
        write_backend_key(&b, (uint32_t)fake->accepted, "abcd", 4);
        write_ready(&b, 'I');
    }
    (void)send(peer->fd, b.bytes, b.used, MSG_NOSIGNAL); /* who has left meanwhile is noticed next time */
    peer->welcomed = true;
    if (fake->refuses != NULL)
        fake_hang_up(fake, peer);
}

static inline void fake_listen_to(struct fake_upstream *fake, struct fake_peer *peer)
{
    unsigned char bytes[512];
    ssize_t got;

    while ((got = recv(peer->fd, bytes, sizeof bytes, 0)) > 0) {
        size_t here = sizeof peer->heard - peer->heard_bytes;

        here = here < (size_t)got ? here : (size_t)got;
        memcpy(peer->heard + peer->heard_bytes, bytes, here);
        peer->heard_bytes += here;
    }
    if (got == 0 || errno != EAGAIN)
        fake_hang_up(fake, peer);
    else if (!peer->welcomed && !fake->holds && peer->heard_bytes >= 4 &&
             peer->heard_bytes >= frame_u32(peer->heard))
        fake_answer(fake, peer);
}

/* Notices who left before it lets in who came. */
static inline void fake_turn(struct fake_upstream *fake)
{
    struct address address;

    for (int i = 0; i < FAKE_PEERS; i++)
        if (fake->peers[i].fd >= 0)
            fake_listen_to(fake, &fake->peers[i]);
    for (int i = 0; i < FAKE_PEERS; i++) {
        struct fake_peer *peer = &fake->peers[i];

        if (peer->fd >= 0 || (peer->fd = socket_accept(fake->listener, &address)) < 0)
            continue;
        peer->welcomed = false;
        peer->heard_bytes = 0;
        fake->accepted++;
        fake->peak = ++fake->open > fake->peak ? fake->open : fake->peak;
    }
}

static inline void fake_close(struct fake_upstream *fake)
{
    for (int i = 0; i < FAKE_PEERS; i++)
        if (fake->peers[i].fd >= 0)
            fake_hang_up(fake, &fake->peers[i]);
    close(fake->listener);
}
