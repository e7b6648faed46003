/* SPDX-License-Identifier: PostgreSQL
 * stream_output - what a stream has to send and its peer has not taken: blocks, one sendmsg for many. */
#include "gateway/net/stream.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "gateway/net/stream_parts.h"
#include "gateway/net/tls.h"

enum { SEND_AT_ONCE_BYTES = 8192, VECTOR_MAX = 18 };

void stream_output_drop(struct stream *stream)
{
    blocks_clear(&stream->output, &stream->engine->stock);
    stream->backlog = 0;
}

/* The peer takes nothing any more, or too much memory would be needed for it. What it said before may still
 * be readable, so only output ends here; shut down, the connection has an end that the reader finds. */
void stream_break(struct stream *stream)
{
    stream_output_drop(stream);
    stream->broken = true;
    stream->backed_up = false;
    (void)shutdown(stream->fd, SHUT_RDWR);
    ev_io_stop(stream->engine->loop, &stream->writer);
    ev_io_start(stream->engine->loop, &stream->reader);
}

/* Sends queued blocks and then `tail`; returns how much of the tail was taken. */
static size_t plain_push(struct stream *stream, const void *tail, size_t length)
{
    struct iovec vector[VECTOR_MAX];
    struct msghdr message = {.msg_iov = vector};
    size_t queued;
    ssize_t sent;

    message.msg_iovlen = blocks_vector(&stream->output, vector, VECTOR_MAX - 1, &queued);
    if (length > 0 && queued == stream->backlog) {
        vector[message.msg_iovlen].iov_base = (void *)(uintptr_t)tail;
        vector[message.msg_iovlen++].iov_len = length;
    }
    sent = sendmsg(stream->fd, &message, MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno != EAGAIN && errno != EINTR)
            stream_break(stream);
        return 0;
    }
    stream->bytes_out += (uint64_t)sent;
    stream->engine->sent_bytes += (uint64_t)sent;
    if ((size_t)sent < queued)
        queued = (size_t)sent;
    blocks_drop(&stream->output, &stream->engine->stock, queued);
    stream->backlog -= queued;
    return (size_t)sent - queued;
}

static size_t push(struct stream *stream, const void *tail, size_t length)
{
    return stream->tls == NULL ? plain_push(stream, tail, length) : stream_secure_push(stream, tail, length);
}

void stream_mark_dirty(struct stream *stream)
{
    if (list_empty(&stream->turn))
        list_append(&stream->engine->dirty, &stream->turn);
}

/* Before a TLS handshake is over, nothing can be said. */
static bool is_mute(const struct stream *stream)
{
    return stream->fd < 0 || stream->broken || (stream->tls != NULL && !tls_established(stream->tls));
}

void stream_send(struct stream *stream, const void *bytes, size_t length)
{
    if (length == 0 || is_mute(stream))
        return;
    if (!blocks_add(&stream->output, &stream->engine->stock, bytes, length)) {
        stream_break(stream); /* out of memory: this peer is given up, the process lives */
        return;
    }
    stream->backlog += length;
    stream_mark_dirty(stream);
}

void stream_forward(struct stream *stream, const void *bytes, size_t length)
{
    size_t taken = 0;

    if (length >= SEND_AT_ONCE_BYTES && !stream->backed_up && !is_mute(stream))
        taken = push(stream, bytes, length);
    stream_send(stream, (const char *)bytes + taken, length - taken);
    if (stream->backlog > 0)
        stream_mark_dirty(stream);
}

void stream_flush(struct stream *stream)
{
    while (stream->backlog > 0 && !stream->broken) {
        size_t before = stream->backlog;

        (void)push(stream, NULL, 0);
        if (stream->backlog == before)
            break;
    }
    if (stream->backlog > 0 && !stream->backed_up && !stream->broken) {
        stream->backed_up = true;
        ev_io_start(stream->engine->loop, &stream->writer);
    }
}

bool stream_congested(struct stream *stream)
{
    if (stream->backlog <= STREAM_BACKLOG_HIGH_BYTES)
        return false;
    if (!stream->backed_up)
        stream_flush(stream);
    return stream->backlog > STREAM_BACKLOG_HIGH_BYTES;
}

void stream_output_writable(struct ev_loop *loop, ev_io *writer, int events)
{
    struct stream *stream = writer->data;

    (void)events;
    stream_flush(stream);
    if (stream->backlog > 0)
        return;
    ev_io_stop(loop, writer);
    if (stream->backed_up) {
        stream->backed_up = false;
        stream->events->drained(stream);
    }
}
