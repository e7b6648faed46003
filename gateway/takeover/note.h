/* SPDX-License-Identifier: PostgreSQL
 * note - what main and a worker tell each other while a process is taken over, or takes over: mostly a packet
 * on its way from one of them to the other process, or from there. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "gateway/net/mailbox.h"
#include "gateway/takeover/packet.h"

struct gateway;
struct worker;

/* What main says besides packets. */
enum note_kind {
    NOTE_PACKET,
    NOTE_DRAIN,  /* every session that can is to go to the new process */
    NOTE_STAY,   /* the new process is gone: everybody stays */
    NOTE_END,    /* those that cannot go are ended between transactions */
    NOTE_ALONE   /* the old process is gone: who was on the way from there is lost */
};

enum note_side { SIDE_OLD, SIDE_NEW }; /* of the other process */

struct note {
    struct letter letter;
    enum note_kind kind;
    enum note_side side;
    enum packet_kind packet;
    uint32_t era; /* of the drain that it belongs to */
    int fd;       /* -1: none; whoever frees the note closes it */
    size_t size;
    unsigned char body[];
};

/* Copies the body, takes over the descriptor; on failure (out of memory) that is closed. NULL then. */
struct note *note_new(enum note_kind kind, const void *body, size_t size, int fd);
void note_free(struct note *note); /* wipes it */

/* To a worker (leave.c and arrive.c read it); any thread. NULL is nothing to do. */
void note_to_worker(struct worker *worker, struct note *note);
/* A packet for the other process on that side, to main; any thread. NULL is nothing to do. */
void note_to_main(struct gateway *gateway, struct note *note);
