/* SPDX-License-Identifier: PostgreSQL
 * join - the beginning of the new process; and what it shares with takeover.c. Main thread. */
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "gateway/net/address.h"
#include "gateway/takeover/link.h"

struct fault;
struct gateway;

/* What the newer process is to this one. */
enum takeover_stage {
    TAKEOVER_ALONE,       /* there is none */
    TAKEOVER_GREETED,     /* it connected */
    TAKEOVER_OFFERED,     /* it has the listening sockets, and this process still accepts */
    TAKEOVER_HANDED_OVER, /* it accepts */
    TAKEOVER_SETTLED,     /* ... and handed over itself: the sockets are closed here */
    TAKEOVER_LAST         /* it died after that: what is left here is served to its end */
};

struct takeover {
    struct gateway *gateway;
    struct link older, newer;
    pid_t older_pid, newer_pid;
    enum takeover_stage stage;
    struct address address;  /* of the takeover socket */
    int fd;                  /* that listens there; -1: none */
    ev_io acceptor;
    ev_timer look;
    uint64_t looks, ends_us; /* OFFERED: when it took too long; later: takeover_timeout */
    uint32_t era;            /* counts HANDED_OVER */
    uint32_t dropped;        /* sockets that the newer process has no use for */
    bool joined, failed;     /* of takeover_join */
    struct fault *fault;
};

/* Made when there is none. */
struct takeover *takeover_of(struct gateway *gateway);
/* Tells the workers whether there is anybody to pass a cancel request on to. */
void takeover_count_links(struct takeover *takeover);
extern const struct link_events takeover_older_events;

/* Tells the older process, if there is one, that this one accepts. */
void join_serving(struct takeover *takeover);
