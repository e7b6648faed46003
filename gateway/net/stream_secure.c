/* SPDX-License-Identifier: PostgreSQL
 * stream_secure - a stream over TLS: one recv and one sendmsg carry as many records as there are.
 * What is deciphered is shown like what comes plain; what is enciphered waits in the tls's own blocks and is
 * part of the backlog. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "gateway/base/check.h"
#include "gateway/net/stream.h"
#include "gateway/net/stream_parts.h"
#include "gateway/net/stream_secure.h"
#include "gateway/net/tls.h"

/* A record that was half there is deciphered together with a whole arrival. */
enum { PLAIN_BYTES = STREAM_CHUNK_BYTES + 20480, SEALED_MAX_BYTES = 131072, VECTOR_MAX = 18 };

static bool prepare(struct stream_engine *engine)
{
    if (engine->cipher == NULL)
        engine->cipher = malloc(STREAM_CHUNK_BYTES);
    if (engine->plain == NULL)
        engine->plain = malloc(PLAIN_BYTES);
    return engine->cipher != NULL && engine->plain != NULL;
}

void stream_secure(struct stream *stream, struct tls *tls, const void *early, size_t bytes)
{
    CHECK(stream->tls == NULL && stream->backlog == 0);
    stream->tls = tls;
    stream->engine->tls_count++;
    tls_set_stock(tls, &stream->engine->stock);
    if (!prepare(stream->engine) || !tls_keep_early(tls, early, bytes))
        stream_break(stream);
    if (list_empty(&stream->resume))
        list_append(&stream->engine->ready, &stream->resume);
}

const char *stream_failure(const struct stream *stream)
{
    return stream->tls == NULL ? "" : tls_failure(stream->tls);
}

/* TLS may have something to send of its own after any call. */
static void sealed_grew(struct stream *stream, size_t before)
{
    size_t *sealed;

    (void)tls_sealed(stream->tls, &sealed);
    if (*sealed == before || stream->broken)
        return;
    stream->backlog += *sealed - before;
    stream_mark_dirty(stream);
}

static void give_up(struct stream *stream)
{
    stream_flush(stream); /* the alert */
    stream_fail(stream, EPROTO);
}

bool stream_secure_is_over(const struct stream *stream)
{
    return stream->tls != NULL && tls_is_over(stream->tls) && !stream->broken;
}

/* What came before the end is shown first: stream_resume sees to both. */
void stream_secure_end(struct stream *stream)
{
    if (stream->paused || !list_empty(&stream->resume))
        return;
    if (*tls_failure(stream->tls) == '\0')
        stream_fail(stream, 0);
    else
        give_up(stream);
}

/* False: the stream was closed by its owner. */
static bool tell_secured(struct stream *stream)
{
    struct stream_engine *engine = stream->engine;

    if (stream->events->secured == NULL)
        return true; /* its owner only waits for the end */
    engine->current = stream;
    stream->events->secured(stream);
    if (engine->current != stream)
        return false;
    engine->current = NULL;
    return true;
}

/* True when the handshake is over and the stream still there. */
static bool shake_hands(struct stream *stream)
{
    size_t *sealed, before;
    enum tls_step step;

    (void)tls_sealed(stream->tls, &sealed);
    before = *sealed;
    step = tls_handshake(stream->tls);
    sealed_grew(stream, before);
    if (step == TLS_FAILED)
        give_up(stream);
    return step == TLS_DONE && tell_secured(stream);
}

static void decipher(struct stream *stream)
{
    unsigned char *plain = stream->engine->plain;
    size_t *sealed, before, length;
    enum tls_step step;

    (void)tls_sealed(stream->tls, &sealed);
    before = *sealed;
    step = tls_read(stream->tls, plain, PLAIN_BYTES, &length);
    sealed_grew(stream, before);
    if (length > 0 && !stream_show(stream, plain, length))
        return;
    if (step == TLS_FAILED || step == TLS_CLOSED)
        stream_secure_end(stream);
}

static void process(struct stream *stream, const void *bytes, size_t length)
{
    tls_feed(stream->tls, bytes, length);
    if (tls_established(stream->tls) || shake_hands(stream))
        decipher(stream);
}

void stream_secure_readable(struct stream *stream)
{
    struct stream_engine *engine = stream->engine;
    ssize_t got;

    if (stream_secure_begins(stream))
        return; /* first the end of this turn */
    if (engine->cipher == NULL && !prepare(engine)) {
        stream_fail(stream, ENOMEM);
        return;
    }
    got = recv(stream->fd, engine->cipher, STREAM_CHUNK_BYTES, 0);
    if (got <= 0) {
        if (got == 0 || (errno != EAGAIN && errno != EINTR))
            stream_fail(stream, got == 0 ? 0 : errno);
        return;
    }
    stream->bytes_in += (uint64_t)got;
    engine->received_bytes += (uint64_t)got;
    process(stream, engine->cipher, (size_t)got);
}

bool stream_secure_begins(const struct stream *stream)
{
    return stream->tls != NULL && !tls_begun(stream->tls);
}

void stream_secure_begin(struct stream *stream)
{
    const void *early;
    size_t bytes;

    if (stream->broken) {
        stream_fail(stream, ENOMEM);
        return;
    }
    early = tls_begin(stream->tls, &bytes);
    process(stream, early, bytes);
}

/* Enciphers a piece; false when the connection had to be given up. */
static bool seal(struct stream *stream, const void *bytes, size_t length)
{
    size_t *sealed, before;

    (void)tls_sealed(stream->tls, &sealed);
    before = *sealed;
    if (!tls_write(stream->tls, bytes, length)) {
        stream_break(stream);
        return false;
    }
    stream->backlog += *sealed - before;
    return true;
}

/* False when the peer takes nothing any more. */
static bool send_sealed(struct stream *stream)
{
    struct iovec vector[VECTOR_MAX];
    struct msghdr message = {.msg_iov = vector};
    size_t *sealed, queued;
    struct blocks *blocks = tls_sealed(stream->tls, &sealed);
    ssize_t sent;

    message.msg_iovlen = blocks_vector(blocks, vector, VECTOR_MAX, &queued);
    if (queued == 0)
        return true;
    sent = sendmsg(stream->fd, &message, MSG_NOSIGNAL);
    if (sent < 0)
        return errno == EAGAIN || errno == EINTR;
    stream->bytes_out += (uint64_t)sent;
    stream->engine->sent_bytes += (uint64_t)sent;
    blocks_drop(blocks, &stream->engine->stock, (size_t)sent);
    *sealed -= (size_t)sent;
    stream->backlog -= (size_t)sent;
    return true;
}

size_t stream_secure_push(struct stream *stream, const void *tail, size_t length)
{
    size_t *sealed, taken = 0;

    (void)tls_sealed(stream->tls, &sealed);
    while (stream->output.first != NULL && *sealed < SEALED_MAX_BYTES) {
        struct block *block = stream->output.first;
        size_t here = block->used - block->start;

        if (!seal(stream, block->bytes + block->start, here))
            return 0;
        blocks_drop(&stream->output, &stream->engine->stock, here);
        stream->backlog -= here;
    }
    if (length > 0 && stream->output.first == NULL && *sealed < SEALED_MAX_BYTES) {
        taken = length < SEALED_MAX_BYTES ? length : SEALED_MAX_BYTES;
        if (!seal(stream, tail, taken))
            return 0;
    }
    if (send_sealed(stream))
        return taken;
    stream_break(stream);
    return 0;
}

size_t stream_take_goodbye(struct stream *stream, void *out, size_t room)
{
    size_t *sealed, length = 0;
    struct blocks *blocks;
    struct iovec first;

    if (stream->tls == NULL || stream->broken || stream->backlog > 0)
        return 0;
    blocks = tls_sealed(stream->tls, &sealed);
    tls_say_goodbye(stream->tls);
    if (blocks_vector(blocks, &first, 1, &length) == 1 && length == *sealed && length <= room)
        memcpy(out, first.iov_base, length);
    else
        length = 0;
    blocks_drop(blocks, &stream->engine->stock, *sealed);
    *sealed = 0;
    return length;
}

void stream_secure_close(struct stream *stream)
{
    size_t *sealed, before;

    (void)tls_sealed(stream->tls, &sealed);
    before = *sealed;
    if (!stream->broken && stream->backlog == 0) {
        tls_say_goodbye(stream->tls);
        stream->backlog += *sealed - before;
        (void)send_sealed(stream); /* a peer that is gone needs no goodbye */
    }
    stream->engine->tls_count--;
    tls_free(stream->tls);
    stream->tls = NULL;
    stream->backlog = 0;
}
