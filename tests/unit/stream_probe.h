/* SPDX-License-Identifier: PostgreSQL
 * stream_probe - a stream that remembers what it was told, for unit tests; each program has one engine. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/net/stream.h"
#include "tests/unit/loop.h"

enum { SHOWN_MAX = 2 << 20 };

/* A stream with what it was told; `far` is the test's end of it. */
struct probe {
    struct stream stream;
    int far;
    size_t (*take)(struct probe *probe, size_t length); /* how many of the bytes are used; NULL: all */
    struct probe *other;
    int calls, drained, ended, error, released;
    size_t shown_bytes; /* of the last call */
    unsigned char shown[SHOWN_MAX];
};

static struct ev_loop *loop;
static struct stream_engine engine;

static inline size_t on_received(struct stream *stream, const unsigned char *bytes, size_t length)
{
    struct probe *probe = list_entry(stream, struct probe, stream);

    assert_int_equal(probe->ended + probe->released, 0);
    assert_in_range(length, 1, SHOWN_MAX);
    memcpy(probe->shown, bytes, length);
    probe->shown_bytes = length;
    probe->calls++;
    return probe->take == NULL ? length : probe->take(probe, length);
}

static inline void on_drained(struct stream *stream)
{
    list_entry(stream, struct probe, stream)->drained++;
}

static inline void on_ended(struct stream *stream, int error)
{
    struct probe *probe = list_entry(stream, struct probe, stream);

    probe->ended++;
    probe->error = error;
}

static inline void on_released(struct stream *stream)
{
    list_entry(stream, struct probe, stream)->released++;
}

static const struct stream_events events = {
    .received = on_received, .drained = on_drained, .ended = on_ended, .released = on_released
};

static inline struct probe *probe_open(void)
{
    struct probe *probe = calloc(1, sizeof *probe);
    int ends[2];

    assert_non_null(probe);
    loop_sockets(ends);
    probe->far = ends[1];
    stream_open(&probe->stream, &engine, ends[0], &events);
    return probe;
}

static inline void probe_close(struct probe *probe)
{
    stream_close(&probe->stream);
    loop_until(loop, probe->released > 0);
    assert_int_equal(probe->released, 1);
    if (probe->far >= 0)
        close(probe->far);
    free(probe);
}

static inline void say(struct probe *probe, const char *text)
{
    assert_int_equal(send(probe->far, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static inline void assert_shown(const struct probe *probe, const char *text)
{
    assert_int_equal(probe->shown_bytes, strlen(text));
    assert_memory_equal(probe->shown, text, strlen(text));
}

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

#define with_engine(test) cmocka_unit_test_setup_teardown(test, open_engine, close_engine)
