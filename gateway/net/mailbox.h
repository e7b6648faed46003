/* SPDX-License-Identifier: PostgreSQL
 * mailbox - letters between threads: many senders, one owner, woken through its event loop. */
#pragma once

#include <ev.h>
#include <stdatomic.h>

/* Embedded in what is sent. The sender gives it up; delivery runs on the mailbox's thread. */
struct letter {
    struct letter *next;
    void (*deliver)(struct letter *letter, void *owner);
};

struct mailbox {
    struct letter *_Atomic newest; /* [a] a stack, reversed on delivery: letters arrive in order */
    ev_async wakeup;
    struct ev_loop *loop;
    void *owner;
};

void mailbox_open(struct mailbox *mailbox, struct ev_loop *loop, void *owner); /* owning thread */
void mailbox_send(struct mailbox *mailbox, struct letter *letter);             /* any thread */
void mailbox_close(struct mailbox *mailbox);                                   /* owning thread */
