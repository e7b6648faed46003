/* SPDX-License-Identifier: PostgreSQL
 * stream - bytes in, bytes out: the epoll engine. What goes out is in stream_output.c, TLS in
 * stream_secure.c. One recv for each readiness, one sendmsg for each stream and loop turn. Handlers run
 * only from here, never nested: what a handler queues or resumes is done at the end of the turn. */
#include "gateway/net/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/check.h"
#include "gateway/net/stream_parts.h"
#include "gateway/net/tls.h"

enum { ROOM_MIN = 16384 };

static void kept_free(struct stream *stream)
{
    stream->engine->kept_bytes -= stream->kept_room;
    free(stream->kept);
    stream->kept = NULL;
    stream->kept_used = stream->kept_room = 0;
}

/* Makes sure that `more` bytes fit behind the kept ones. */
static bool kept_reserve(struct stream *stream, size_t more)
{
    size_t room = stream->kept_room == 0 ? ROOM_MIN / 4 : stream->kept_room;
    unsigned char *wider;

    if (stream->kept_room - stream->kept_used >= more)
        return true;
    while (room - stream->kept_used < more)
        room *= 2;
    wider = realloc(stream->kept, room);
    if (wider == NULL)
        return false;
    stream->engine->kept_bytes += room - stream->kept_room;
    stream->kept = wider;
    stream->kept_room = room;
    return true;
}

void stream_fail(struct stream *stream, int error)
{
    ev_io_stop(stream->engine->loop, &stream->reader);
    stream->events->ended(stream, error);
}

/* Whether there is something to tell without reading from the socket. */
static bool has_news(const struct stream *stream)
{
    return stream->kept_used > 0 || stream_secure_is_over(stream);
}

/* The handler returned: what it resumed itself is shown again at the end of the turn. */
static void shown(struct stream *stream)
{
    stream->engine->current = NULL;
    if (stream->show_again && has_news(stream) && list_empty(&stream->resume))
        list_append(&stream->engine->ready, &stream->resume);
    stream->show_again = false;
}

/* False here and below: the stream was closed or went elsewhere, or its end was told. */
static bool show_kept(struct stream *stream)
{
    struct stream_engine *engine = stream->engine;
    size_t used;

    engine->current = stream;
    used = stream->events->received(stream, stream->kept, stream->kept_used);
    if (engine->current != stream)
        return false;
    CHECK(used <= stream->kept_used);
    stream->kept_used -= used;
    if (stream->kept_used == 0)
        kept_free(stream);
    else if (used > 0)
        memmove(stream->kept, stream->kept + used, stream->kept_used);
    shown(stream);
    return true;
}

bool stream_keep(struct stream *stream, const void *bytes, size_t length)
{
    if (length == 0)
        return true;
    if (!kept_reserve(stream, length))
        return false;
    memcpy(stream->kept + stream->kept_used, bytes, length);
    stream->kept_used += length;
    return true;
}

bool stream_put_back(struct stream *stream, const void *bytes, size_t length)
{
    CHECK(stream->engine->current != stream);
    if (!kept_reserve(stream, length))
        return false;
    memmove(stream->kept + length, stream->kept, stream->kept_used);
    memcpy(stream->kept, bytes, length);
    stream->kept_used += length;
    return true;
}

static bool show_arrival(struct stream *stream, const unsigned char *arrival, size_t length)
{
    struct stream_engine *engine = stream->engine;
    size_t used;

    engine->current = stream;
    used = stream->events->received(stream, arrival, length);
    if (engine->current != stream)
        return false;
    CHECK(used <= length);
    if (used < length && !stream_keep(stream, arrival + used, length - used)) {
        stream_fail(stream, ENOMEM);
        return false;
    }
    shown(stream);
    return true;
}

bool stream_show(struct stream *stream, const unsigned char *bytes, size_t length)
{
    if (stream->kept_used == 0 && !stream->paused)
        return show_arrival(stream, bytes, length);
    if (!stream_keep(stream, bytes, length)) {
        stream_fail(stream, ENOMEM);
        return false;
    }
    return stream->paused || show_kept(stream);
}

static void readable(struct ev_loop *loop, ev_io *reader, int events)
{
    struct stream *stream = reader->data;
    bool appending = stream->kept_used > 0;
    ssize_t got;

    (void)loop;
    (void)events;
    if (stream->tls != NULL) {
        stream_secure_readable(stream);
        return;
    }
    if (appending && !kept_reserve(stream, ROOM_MIN)) {
        stream_fail(stream, ENOMEM);
        return;
    }
    if (appending)
        got = recv(stream->fd, stream->kept + stream->kept_used, stream->kept_room - stream->kept_used, 0);
    else
        got = recv(stream->fd, stream->engine->arrival, STREAM_CHUNK_BYTES, 0);
    if (got <= 0) {
        if (got == 0 || (errno != EAGAIN && errno != EINTR))
            stream_fail(stream, got == 0 ? 0 : errno);
        return;
    }
    stream->bytes_in += (uint64_t)got;
    stream->engine->received_bytes += (uint64_t)got;
    if (!appending) {
        (void)show_arrival(stream, stream->engine->arrival, (size_t)got);
        return;
    }
    stream->kept_used += (size_t)got;
    (void)show_kept(stream);
}

void stream_pause(struct stream *stream)
{
    if (stream->fd < 0 || stream->paused || stream->broken)
        return;
    stream->paused = true;
    ev_io_stop(stream->engine->loop, &stream->reader);
}

void stream_resume(struct stream *stream)
{
    if (stream->fd < 0)
        return;
    if (stream->paused) {
        stream->paused = false;
        ev_io_start(stream->engine->loop, &stream->reader);
    }
    if (stream->engine->current == stream)
        stream->show_again = true;
    else if (has_news(stream) && list_empty(&stream->resume))
        list_append(&stream->engine->ready, &stream->resume);
}

void stream_open(struct stream *stream, struct stream_engine *engine, int fd,
                 const struct stream_events *events)
{
    memset(stream, 0, sizeof *stream);
    stream->fd = fd;
    stream->events = events;
    list_init(&stream->turn);
    list_init(&stream->resume);
    ev_io_init(&stream->reader, readable, fd, EV_READ);
    ev_io_init(&stream->writer, stream_output_writable, fd, EV_WRITE);
    stream->reader.data = stream->writer.data = stream;
    stream_attach(stream, engine);
}

void stream_attach(struct stream *stream, struct stream_engine *engine)
{
    stream->engine = engine;
    if (stream->tls != NULL) {
        tls_set_stock(stream->tls, &engine->stock);
        engine->tls_count++;
    }
    if (stream->paused)
        return;
    ev_io_start(engine->loop, &stream->reader);
    if (has_news(stream) && list_empty(&stream->resume))
        list_append(&engine->ready, &stream->resume);
}

void stream_detach(struct stream *stream)
{
    CHECK(stream->backlog == 0 && stream->kept_used == 0);
    stream->backed_up = false; /* flushed by hand, and the loop did not notice yet */
    ev_io_stop(stream->engine->loop, &stream->reader);
    ev_io_stop(stream->engine->loop, &stream->writer);
    list_remove(&stream->turn);
    list_remove(&stream->resume);
    if (stream->engine->current == stream)
        stream->engine->current = NULL;
    if (stream->tls != NULL)
        stream->engine->tls_count--;
    stream->engine = NULL;
}

void stream_close(struct stream *stream)
{
    struct stream_engine *engine = stream->engine;

    if (stream->fd < 0)
        return;
    ev_io_stop(engine->loop, &stream->reader);
    ev_io_stop(engine->loop, &stream->writer);
    if (stream->tls != NULL)
        stream_secure_close(stream);
    stream_output_drop(stream);
    kept_free(stream);
    close(stream->fd);
    stream->fd = -1;
    if (engine->current == stream)
        engine->current = NULL;
    list_remove(&stream->resume);
    list_remove(&stream->turn);
    list_append(&engine->closed, &stream->turn);
}

void stream_reopen(struct stream *stream, int fd)
{
    struct stream_engine *engine = stream->engine;
    const struct stream_events *events = stream->events;

    CHECK(stream->fd >= 0);
    stream_close(stream);
    list_remove(&stream->turn); /* it is not dead after all */
    stream_open(stream, engine, fd, events);
}

bool stream_quiet(const struct stream *stream)
{
    char byte;

    if (stream->kept_used > 0 || stream->broken || (stream->tls != NULL && !tls_quiet(stream->tls)))
        return false;
    return recv(stream->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

/* Before the loop sleeps: resumed streams first, then everything queued goes out, then the dead are buried.
 * Resuming may queue and close; a stream that is resumed again meanwhile waits for the next round. */
static void turn_end(struct ev_loop *loop, ev_prepare *prepare, int events)
{
    struct stream_engine *engine = prepare->data;

    (void)loop;
    (void)events;
    while (!list_empty(&engine->ready)) {
        struct stream *stream = list_entry(engine->ready.next, struct stream, resume);

        list_remove(&stream->resume);
        if (stream_secure_begins(stream))
            stream_secure_begin(stream);
        else if ((stream->kept_used == 0 || show_kept(stream)) && stream_secure_is_over(stream))
            stream_secure_end(stream);
    }
    while (!list_empty(&engine->dirty)) {
        struct stream *stream = list_entry(engine->dirty.next, struct stream, turn);

        list_remove(&stream->turn);
        if (!stream->backed_up)
            stream_flush(stream);
    }
    while (!list_empty(&engine->closed)) {
        struct stream *stream = list_entry(engine->closed.next, struct stream, turn);

        list_remove(&stream->turn);
        stream->events->released(stream);
    }
}

bool stream_engine_open(struct stream_engine *engine, struct ev_loop *loop)
{
    memset(engine, 0, sizeof *engine);
    engine->loop = loop;
    engine->arrival = malloc(STREAM_CHUNK_BYTES);
    if (engine->arrival == NULL)
        return false;
    list_init(&engine->dirty);
    list_init(&engine->ready);
    list_init(&engine->closed);
    ev_prepare_init(&engine->turn_end, turn_end);
    engine->turn_end.data = engine;
    ev_prepare_start(loop, &engine->turn_end);
    return true;
}

void stream_engine_close(struct stream_engine *engine)
{
    turn_end(engine->loop, &engine->turn_end, 0);
    ev_prepare_stop(engine->loop, &engine->turn_end);
    block_stock_free(&engine->stock);
    free(engine->arrival);
    free(engine->cipher);
    free(engine->plain);
}
