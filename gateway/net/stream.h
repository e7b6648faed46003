/* SPDX-License-Identifier: PostgreSQL
 * stream - bytes in, bytes out. Completion-oriented: the engine says "here are bytes" and "these were
 * sent"; what is queued in one loop turn leaves in one system call at its end. This engine is epoll (libev's
 * readiness); nothing above this header knows that. A stream and its engine belong to one worker thread. */
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/list.h"
#include "gateway/net/blocks.h"

struct stream;
struct tls;

enum { STREAM_CHUNK_BYTES = 65536, STREAM_BACKLOG_HIGH_BYTES = 131072 };

struct stream_events {
    /* Bytes are here. Returns how many were used; the rest is kept and shown again in front of what comes
     * next, or after stream_resume. May close the stream. */
    size_t (*received)(struct stream *stream, const unsigned char *bytes, size_t length);
    /* Everything that had been backed up was sent. */
    void (*drained)(struct stream *stream);
    /* The TLS handshake is done; may be NULL where none is begun. May close the stream. */
    void (*secured)(struct stream *stream);
    /* The peer closed (0) or the connection failed (errno; EPROTO: see stream_failure). Not called after
     * stream_close. */
    void (*ended)(struct stream *stream, int error);
    /* Last call, at the end of the loop turn in which the stream was closed: its memory may be freed. */
    void (*released)(struct stream *stream);
};

/* Everything streams of one thread share: the arrival buffer, spare blocks, the lists of this turn. */
struct stream_engine {
    struct ev_loop *loop;
    unsigned char *arrival;
    unsigned char *cipher, *plain; /* for TLS; NULL until the first such stream */
    struct stream *current;     /* whose handler runs; NULL once it was closed or detached */
    struct block_stock stock;
    struct list dirty, ready, closed;
    ev_prepare turn_end;
    uint64_t received_bytes, sent_bytes, kept_bytes, tls_count; /* the last two: of all its streams now */
};

struct stream {
    struct stream_engine *engine;
    const struct stream_events *events;
    int fd;                          /* -1 once closed */
    bool paused, backed_up, broken;  /* reading stopped; output waits for the peer; output is discarded */
    bool show_again;                 /* resumed by its own handler */
    struct list turn;                /* in engine->dirty or ->closed */
    struct list resume;              /* in engine->ready */
    ev_io reader, writer;
    unsigned char *kept;             /* bytes received and not used yet; NULL when none */
    size_t kept_used, kept_room;
    struct blocks output;            /* not sent yet */
    struct tls *tls;                 /* NULL = plain */
    size_t backlog;                  /* bytes of output, and of what TLS has to send */
    uint64_t bytes_in, bytes_out;
};

bool stream_engine_open(struct stream_engine *engine, struct ev_loop *loop);
void stream_engine_close(struct stream_engine *engine); /* streams must be closed before */

/* Takes over a connected non-blocking socket and starts reading. */
void stream_open(struct stream *stream, struct stream_engine *engine, int fd,
                 const struct stream_events *events);

/* Bytes that another process received and did not use: shown with what comes next, or after stream_resume.
 * False: out of memory. */
bool stream_keep(struct stream *stream, const void *bytes, size_t length);

/* Queues a copy of the bytes; they leave at the end of this loop turn. Bytes for a broken peer are dropped:
 * its `ended` is on the way. */
void stream_send(struct stream *stream, const void *bytes, size_t length);

/* The same for bytes that may be many: large runs are sent from where they lie. */
void stream_forward(struct stream *stream, const void *bytes, size_t length);

/* Bytes queued and not yet taken by the peer. */
static inline size_t stream_backlog(const struct stream *stream)
{
    return stream->backlog;
}

/* The peer does not keep up (what can be sent was sent): stop reading the source until `drained`. One of
 * `drained` and `ended` comes, unless the stream is closed before. */
bool stream_congested(struct stream *stream);

void stream_pause(struct stream *stream);
/* Reads again, and shows kept bytes again at the end of this turn. */
void stream_resume(struct stream *stream);

/* Used bytes are shown again, in front of what is kept; not from its own handler. False: out of memory. */
bool stream_put_back(struct stream *stream, const void *bytes, size_t length);

/* Sends what is queued now instead of at the end of the turn. */
void stream_flush(struct stream *stream);

/* Closes at once; what the peer has not taken is lost. */
void stream_close(struct stream *stream);

/* Starts anew with another socket; what was kept, queued or enciphered is gone. Owner and events stay. */
void stream_reopen(struct stream *stream, int fd);

/* For moving between threads: nothing kept, nothing queued. Detach, send by letter, attach. */
void stream_detach(struct stream *stream);
void stream_attach(struct stream *stream, struct stream_engine *engine);

/* True when nothing was received that is unused, as far as the kernel knows right now (one recv). */
bool stream_quiet(const struct stream *stream);
