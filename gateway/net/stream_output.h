/* SPDX-License-Identifier: PostgreSQL
 * stream_output - the sending half of the epoll engine; what gateway/net/stream.c needs of it and nobody
 * else. */
#pragma once

#include <ev.h>

struct stream;
struct stream_engine;

/* Gives back the blocks of what was not sent. */
void stream_output_drop(struct stream *stream);

/* The handler of stream->writer. */
void stream_output_writable(struct ev_loop *loop, ev_io *writer, int events);

/* Frees the spare blocks, when the engine closes and no stream has any. */
void stream_output_free_spare(struct stream_engine *engine);
