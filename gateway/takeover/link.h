/* SPDX-License-Identifier: PostgreSQL
 * link - the Unix socket between two processes of which one takes over: packets in both directions, with
 * descriptors. Main thread. */
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "gateway/base/list.h"
#include "gateway/takeover/packet.h"

struct fault;

/* What arrived; the descriptor (-1: none) belongs to the callee. */
struct packet {
    enum packet_kind kind;
    const void *body;
    size_t size;
    int fd;
};

struct link_events {
    /* May close the link. */
    void (*received)(void *owner, struct packet *packet);
    /* The other process closed it, or broke the protocol: `why`. The link is closed already. */
    void (*ended)(void *owner, const char *why);
};

enum { LINK_FDS_MAX = 8 };

struct link {
    struct ev_loop *loop;
    const struct link_events *events;
    void *owner;
    int fd; /* -1: closed */
    ev_io reader, writer;
    unsigned char *bytes; /* received and not used yet */
    size_t used, room;
    int fds[LINK_FDS_MAX]; /* they came in this order */
    size_t fd_count;
    struct list queue; /* packets that were not sent yet */
};

/* A closed one. */
void link_init(struct link *link);
/* Takes over a connected non-blocking socket. */
void link_open(struct link *link, struct ev_loop *loop, int fd, const struct link_events *events,
               void *owner);
bool link_is_open(const struct link *link);
/* What was not sent is lost; no-op when closed. */
void link_close(struct link *link);

/* Copies the body and sends a duplicate of the descriptor (-1: none) when the socket takes it. What a closed
 * link is given is lost. */
void link_send(struct link *link, enum packet_kind kind, const void *body, size_t size, int fd);

/* Who is at the other end of a Unix socket. False, with a fault, unless it is this very user. */
bool link_is_own_user(int fd, pid_t *pid, struct fault *fault);
