/* SPDX-License-Identifier: PostgreSQL
 * linger - keeps a slot of the budget until PostgreSQL has let go of a connection. */
#include "router/linger.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "router/shard.h"

#define LINGER_SECONDS 1.0

struct lingering {
    struct list link; /* thread->lingering */
    struct ev_loop *loop;
    ev_io io;
    ev_timer patience;
    int fd;
    struct budget_slot slot;
};

static void linger_end(struct lingering *linger)
{
    ev_io_stop(linger->loop, &linger->io);
    ev_timer_stop(linger->loop, &linger->patience);
    list_remove(&linger->link);
    close(linger->fd);
    budget_give(&linger->slot);
    free(linger);
}

static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
    struct lingering *linger = io->data;
    char waste[16384];
    ssize_t got = recv(linger->fd, waste, sizeof waste, 0);

    (void)loop;
    (void)events;
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        linger_end(linger);
}

static void on_patience_over(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    linger_end(timer->data);
}

void linger_start(struct pool_thread *thread, int fd, struct budget_slot *slot)
{
    struct lingering *linger = slot->budget == NULL || fd < 0 ? NULL : calloc(1, sizeof *linger);

    if (linger == NULL || (linger->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0)) < 0) {
        free(linger);
        budget_give(slot);
        return;
    }
    budget_pass(slot, &linger->slot);
    linger->loop = thread->engine->loop;
    list_append(&thread->lingering, &linger->link);
    ev_io_init(&linger->io, on_readable, linger->fd, EV_READ);
    ev_timer_init(&linger->patience, on_patience_over, LINGER_SECONDS, 0.);
    linger->io.data = linger->patience.data = linger;
    ev_io_start(linger->loop, &linger->io);
    ev_timer_start(linger->loop, &linger->patience);
}

void linger_close(struct pool_thread *thread)
{
    while (!list_empty(&thread->lingering))
        linger_end(list_entry(thread->lingering.next, struct lingering, link));
}
