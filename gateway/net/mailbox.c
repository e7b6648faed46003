/* SPDX-License-Identifier: PostgreSQL
 * mailbox - letters between threads: many senders, one owner, woken through its event loop. */
#include "gateway/net/mailbox.h"

#include <stddef.h>

static void mailbox_deliver(struct ev_loop *loop, ev_async *wakeup, int events)
{
    struct mailbox *mailbox = wakeup->data;
    struct letter *letter = atomic_exchange(&mailbox->newest, NULL);
    struct letter *in_order = NULL;

    (void)loop;
    (void)events;
    while (letter != NULL) {
        struct letter *next = letter->next;

        letter->next = in_order;
        in_order = letter;
        letter = next;
    }
    while (in_order != NULL) {
        struct letter *next = in_order->next;

        in_order->deliver(in_order, mailbox->owner);
        in_order = next;
    }
}

void mailbox_open(struct mailbox *mailbox, struct ev_loop *loop, void *owner)
{
    atomic_init(&mailbox->newest, NULL);
    mailbox->loop = loop;
    mailbox->owner = owner;
    ev_async_init(&mailbox->wakeup, mailbox_deliver);
    mailbox->wakeup.data = mailbox;
    ev_async_start(loop, &mailbox->wakeup);
}

void mailbox_send(struct mailbox *mailbox, struct letter *letter)
{
    struct letter *newest = atomic_load_explicit(&mailbox->newest, memory_order_relaxed);

    do
        letter->next = newest;
    while (!atomic_compare_exchange_weak(&mailbox->newest, &newest, letter));
    if (newest == NULL)
        ev_async_send(mailbox->loop, &mailbox->wakeup);
}

void mailbox_close(struct mailbox *mailbox)
{
    mailbox_deliver(mailbox->loop, &mailbox->wakeup, 0);
    ev_async_stop(mailbox->loop, &mailbox->wakeup);
}
