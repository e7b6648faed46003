/* SPDX-License-Identifier: PostgreSQL
 * stream_end - one of two streams that talk with each other, and what it was told; for unit tests. Each
 * program has one engine. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/net/stream.h"
#include "tests/unit/loop.h"

struct end {
    struct stream stream;
    int secured, ended, error, released, drained;
    bool hungry;       /* takes what is shown */
    bool echoes;
    bool leaves, pauses; /* its handler detaches or pauses the stream */
    size_t got, to_send, sent;
    bool wrong;
};

static struct ev_loop *loop;
static struct stream_engine engine;

static inline size_t on_received(struct stream *stream, const unsigned char *bytes, size_t length)
{
    struct end *end = list_entry(stream, struct end, stream);

    if (end->pauses)
        stream_pause(stream);
    if (!end->hungry)
        return 0;
    for (size_t i = 0; i < length; i++)
        end->wrong |= bytes[i] != loop_byte(end->got + i);
    end->got += length;
    if (end->echoes)
        stream_forward(stream, bytes, length);
    if (end->leaves)
        stream_detach(stream);
    return length;
}

static inline void on_drained(struct stream *stream)
{
    list_entry(stream, struct end, stream)->drained++;
}

static inline void on_secured(struct stream *stream)
{
    list_entry(stream, struct end, stream)->secured++;
}

static inline void on_ended(struct stream *stream, int error)
{
    struct end *end = list_entry(stream, struct end, stream);

    end->ended++;
    end->error = error;
}

static inline void on_released(struct stream *stream)
{
    list_entry(stream, struct end, stream)->released++;
}

static const struct stream_events events = {.received = on_received,
                                            .drained = on_drained,
                                            .secured = on_secured,
                                            .ended = on_ended,
                                            .released = on_released};

static inline int open_engine(void **state)
{
    (void)state;
    loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
    assert_true(stream_engine_open(&engine, loop));
    return 0;
}

static inline int close_engine(void **state)
{
    (void)state;
    assert_int_equal(engine.stock.block_count, engine.stock.spare_count);
    stream_engine_close(&engine);
    ev_loop_destroy(loop);
    return 0;
}

static inline struct end *end_open(int fd)
{
    struct end *end = calloc(1, sizeof *end);

    assert_non_null(end);
    end->hungry = true;
    stream_open(&end->stream, &engine, fd, &events);
    return end;
}

static inline void end_close(struct end *end)
{
    stream_close(&end->stream);
    loop_until(loop, end->released > 0);
    assert_int_equal(end->released, 1);
    assert_false(end->wrong);
    free(end);
}

#define with_engine(test) cmocka_unit_test_setup_teardown(test, open_engine, close_engine)
