/* SPDX-License-Identifier: PostgreSQL
 * stream_output - what a stream has to send and its peer has not taken: blocks, one sendmsg for many. */
#include "gateway/net/stream_output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "gateway/net/stream.h"

enum { BLOCK_BYTES = 16384 - 16, SPARE_MAX = 256, SEND_AT_ONCE_BYTES = 8192, VECTOR_MAX = 18 };

struct block {
    struct block *next;
    uint32_t start, used;
    unsigned char bytes[BLOCK_BYTES];
};

static struct block *block_lease(struct stream_engine *engine)
{
    struct block *block = engine->spare;

    if (block != NULL) {
        engine->spare = block->next;
        engine->spare_count--;
    } else {
        block = malloc(sizeof *block);
        if (block == NULL)
            return NULL;
        engine->block_count++;
    }
    block->next = NULL;
    block->start = block->used = 0;
    return block;
}

static void block_return(struct stream_engine *engine, struct block *block)
{
    if (engine->spare_count >= SPARE_MAX) {
        free(block);
        engine->block_count--;
        return;
    }
    block->next = engine->spare;
    engine->spare = block;
    engine->spare_count++;
}

static void output_drop(struct stream *stream, size_t sent)
{
    stream->backlog -= sent;
    while (sent > 0) {
        struct block *block = stream->first;
        size_t here = block->used - block->start;

        if (sent < here) {
            block->start += (uint32_t)sent;
            return;
        }
        sent -= here;
        stream->first = block->next;
        block_return(stream->engine, block);
    }
    if (stream->first == NULL)
        stream->last = NULL;
}

void stream_output_drop(struct stream *stream)
{
    output_drop(stream, stream->backlog);
}

void stream_output_free_spare(struct stream_engine *engine)
{
    while (engine->spare != NULL) {
        struct block *block = engine->spare;

        engine->spare = block->next;
        free(block);
    }
}

/* The peer takes nothing any more, or too much memory would be needed for it. What it said before may still
 * be readable, so only output ends here; shut down, the connection has an end that the reader finds. */
static void stream_break(struct stream *stream)
{
    stream_output_drop(stream);
    stream->broken = true;
    stream->backed_up = false;
    (void)shutdown(stream->fd, SHUT_RDWR);
    ev_io_stop(stream->engine->loop, &stream->writer);
    ev_io_start(stream->engine->loop, &stream->reader);
}

/* Sends queued blocks and then `tail`; returns how much of the tail was taken. */
static size_t stream_push(struct stream *stream, const void *tail, size_t length)
{
    struct iovec vector[VECTOR_MAX];
    struct msghdr message = {.msg_iov = vector};
    size_t queued = 0;
    ssize_t sent;

    for (struct block *block = stream->first; block != NULL && message.msg_iovlen < VECTOR_MAX - 1;
         block = block->next) {
        vector[message.msg_iovlen].iov_base = block->bytes + block->start;
        vector[message.msg_iovlen++].iov_len = block->used - block->start;
        queued += block->used - block->start;
    }
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
    output_drop(stream, (size_t)sent < queued ? (size_t)sent : queued);
    return (size_t)sent < queued ? 0 : (size_t)sent - queued;
}

static void mark_dirty(struct stream *stream)
{
    if (list_empty(&stream->turn))
        list_append(&stream->engine->dirty, &stream->turn);
}

void stream_send(struct stream *stream, const void *bytes, size_t length)
{
    const unsigned char *at = bytes;

    if (stream->fd < 0 || stream->broken || length == 0)
        return;
    stream->backlog += length;
    while (length > 0) {
        struct block *block = stream->last;
        size_t room = block == NULL ? 0 : BLOCK_BYTES - block->used;

        if (room == 0) {
            block = block_lease(stream->engine);
            if (block == NULL) { /* out of memory: this peer is given up, the process lives */
                stream->backlog -= length;
                stream_break(stream);
                return;
            }
            if (stream->last == NULL)
                stream->first = block;
            else
                stream->last->next = block;
            stream->last = block;
            room = BLOCK_BYTES;
        }
        room = room < length ? room : length;
        memcpy(block->bytes + block->used, at, room);
        block->used += (uint32_t)room;
        at += room;
        length -= room;
    }
    mark_dirty(stream);
}

void stream_forward(struct stream *stream, const void *bytes, size_t length)
{
    size_t taken = 0;

    if (length >= SEND_AT_ONCE_BYTES && stream->fd >= 0 && !stream->backed_up && !stream->broken)
        taken = stream_push(stream, bytes, length);
    stream_send(stream, (const char *)bytes + taken, length - taken);
}

void stream_flush(struct stream *stream)
{
    while (stream->backlog > 0 && !stream->broken) {
        size_t before = stream->backlog;

        stream_push(stream, NULL, 0);
        if (stream->backlog == before)
            break;
    }
    if (stream->backlog > 0 && !stream->backed_up) {
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
