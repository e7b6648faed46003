/* SPDX-License-Identifier: PostgreSQL
 * stream_parts - what the files of the epoll engine need of each other, and nobody else: stream.c (input),
 * stream_output.c, stream_secure.c (both directions over TLS). */
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>

struct stream;
struct stream_engine;

/* stream.c: shows what came, behind what is kept. False: the stream is not ours to look at any more, or its
 * end was told. */
bool stream_show(struct stream *stream, const unsigned char *bytes, size_t length);
/* The connection cannot be read any more: tells the owner. */
void stream_fail(struct stream *stream, int error);

/* stream_output.c: gives back the blocks of what was not sent. */
void stream_output_drop(struct stream *stream);
void stream_output_writable(struct ev_loop *loop, ev_io *writer, int events); /* of stream->writer */
void stream_mark_dirty(struct stream *stream);
/* The peer takes nothing any more: only output ends here, the reader finds the end. */
void stream_break(struct stream *stream);

/* stream_secure.c. */
void stream_secure_readable(struct stream *stream);
void stream_secure_begin(struct stream *stream); /* the first step of the handshake, at the end of a turn */
bool stream_secure_begins(const struct stream *stream);
/* Nothing more will come: the peer closed TLS, or it failed. Told by stream_secure_end, unless reading is
 * paused or something is to be shown before. */
bool stream_secure_is_over(const struct stream *stream);
void stream_secure_end(struct stream *stream);
/* Enciphers what is queued and then `tail`, sends; returns how much of the tail was taken. */
size_t stream_secure_push(struct stream *stream, const void *tail, size_t length);
void stream_secure_close(struct stream *stream);
