/* SPDX-License-Identifier: PostgreSQL
 * splice - bulk from one socket to another through a pipe.
 * splice(2) says EAGAIN both for an empty source and for a full destination; counting what the pipe holds
 * tells them apart: into an empty pipe only the source can refuse. */
#include "gateway/net/splice.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { PIPE_BYTES = 262144, ROUNDS_A_TURN = 8, QUIET_BYTES = 16384, QUIET_EVENTS = 16 };

static void pipe_close(struct splice *splice)
{
    ev_io_stop(splice->loop, &splice->reader);
    ev_io_stop(splice->loop, &splice->writer);
    close(splice->pipe[0]);
    close(splice->pipe[1]);
    splice->pipe[0] = splice->pipe[1] = -1;
}

bool splice_active(const struct splice *splice)
{
    return splice->loop != NULL && splice->pipe[0] >= 0;
}

void splice_stop(struct splice *splice)
{
    if (splice_active(splice))
        pipe_close(splice);
}

static void end(struct splice *splice, int error)
{
    pipe_close(splice);
    splice->events->ended(splice->owner, error);
}

static ssize_t splice_from(struct splice *at)
{
    size_t most = at->budget < PIPE_BYTES ? at->budget : PIPE_BYTES;

    return splice(at->from, NULL, at->pipe[1], NULL, most, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
}

static ssize_t splice_to(struct splice *at)
{
    return splice(at->pipe[0], NULL, at->to, NULL, at->held, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
}

/* Empties the pipe into the destination. False: the destination takes no more now, or all is over. */
static bool drain(struct splice *splice)
{
    while (splice->held > 0) {
        ssize_t sent = splice_to(splice);

        if (sent > 0) {
            splice->held -= (size_t)sent;
            splice->bytes += (uint64_t)sent;
            continue;
        }
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno == EAGAIN) {
            ev_io_stop(splice->loop, &splice->reader);
            ev_io_start(splice->loop, &splice->writer);
            return false;
        }
        end(splice, sent == 0 ? EPIPE : errno);
        return false;
    }
    if (!splice->finished)
        return true;
    end(splice, 0);
    return false;
}

static void note_flow(struct splice *splice, size_t moved)
{
    splice->quiet = moved < QUIET_BYTES ? splice->quiet + 1 : 0;
    if (splice->quiet < QUIET_EVENTS)
        return;
    pipe_close(splice);
    splice->events->idle(splice->owner);
}

static bool has_budget(struct splice *splice)
{
    if (splice->budget == 0)
        splice->budget = splice->events->more == NULL ? SIZE_MAX : splice->events->more(splice->owner);
    return splice->budget > 0;
}

static void readable(struct ev_loop *loop, ev_io *reader, int events)
{
    struct splice *splice = reader->data;
    size_t moved = 0;

    (void)events;
    for (int round = 0; round < ROUNDS_A_TURN; round++) {
        ssize_t got;

        if (!has_budget(splice)) {
            ev_io_stop(loop, reader);
            return;
        }
        got = splice_from(splice);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            break;
        if (got < 0) {
            end(splice, errno);
            return;
        }
        splice->finished = got == 0;
        splice->budget -= (size_t)got;
        splice->held += (size_t)got;
        moved += (size_t)got;
        if (!drain(splice))
            return;
    }
    note_flow(splice, moved);
}

static void writable(struct ev_loop *loop, ev_io *writer, int events)
{
    struct splice *splice = writer->data;

    (void)events;
    if (!drain(splice))
        return;
    ev_io_stop(loop, writer);
    ev_io_start(loop, &splice->reader);
}

void splice_go_on(struct splice *splice)
{
    if (splice_active(splice) && splice->held == 0)
        ev_io_start(splice->loop, &splice->reader);
}

bool splice_start(struct splice *splice, struct ev_loop *loop, int from, int to,
                  const struct splice_events *events, void *owner)
{
    uint64_t bytes = splice->bytes;
    int ends[2];

    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0)
        return false;
    (void)fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES); /* the default size works too, only slower */
    memset(splice, 0, sizeof *splice);
    splice->bytes = bytes;
    splice->loop = loop;
    splice->events = events;
    splice->owner = owner;
    splice->from = from;
    splice->to = to;
    splice->pipe[0] = ends[0];
    splice->pipe[1] = ends[1];
    ev_io_init(&splice->reader, readable, from, EV_READ);
    ev_io_init(&splice->writer, writable, to, EV_WRITE);
    splice->reader.data = splice->writer.data = splice;
    ev_io_start(loop, &splice->reader);
    return true;
}
