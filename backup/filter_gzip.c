/* SPDX-License-Identifier: PostgreSQL
 * filter_gzip - gzip in a chain, by zlib. */
#include <stdlib.h>
#include <zlib.h>

#include "backup/failure.h"
#include "backup/filter.h"
#include "gateway/base/check.h"

enum { GZIP_WINDOW = 15 + 16 }; /* zlib.h: 16 more means the gzip format */

struct gzip_filter {
    struct filter filter;
    z_stream stream;
    bool ended, done; /* ended: nothing more comes; done: nothing more goes */
    bool inside;      /* a member was begun and not finished */
    unsigned char bytes[FILTER_BYTES];
};

static bool input_refill(struct gzip_filter *gzip, struct fault *fault)
{
    size_t count;

    if (gzip->stream.avail_in > 0 || gzip->ended)
        return true;
    if (!filter_pull(gzip->filter.from, gzip->bytes, sizeof gzip->bytes, &count, fault))
        return false;
    gzip->stream.next_in = gzip->bytes;
    gzip->stream.avail_in = (unsigned)count;
    gzip->ended = count == 0;
    return true;
}

static void output_set(struct gzip_filter *gzip, unsigned char *to, size_t room)
{
    gzip->stream.next_out = to;
    gzip->stream.avail_out = (unsigned)(room < FILTER_BYTES ? room : FILTER_BYTES);
}

static bool gzip_pull(struct filter *filter, unsigned char *to, size_t room, size_t *count,
                      struct fault *fault)
{
    struct gzip_filter *gzip = (struct gzip_filter *)filter;

    output_set(gzip, to, room);
    while (gzip->stream.next_out == to && !gzip->done) {
        int result;

        if (!input_refill(gzip, fault))
            return false;
        result = deflate(&gzip->stream, gzip->ended ? Z_FINISH : Z_NO_FLUSH);
        CHECK(result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR);
        gzip->done = result == Z_STREAM_END;
    }
    *count = (size_t)(gzip->stream.next_out - to);
    return true;
}

static bool member_read(struct gzip_filter *gzip, struct fault *fault)
{
    int result = inflate(&gzip->stream, Z_NO_FLUSH);

    gzip->inside = true;
    if (result == Z_STREAM_END) {
        gzip->inside = false;
        CHECK(inflateReset(&gzip->stream) == Z_OK);
        return true;
    }
    if (result == Z_OK || result == Z_BUF_ERROR)
        return true;
    return failure_set(fault, FAILURE_VERIFY, "The compressed stream is damaged: %s.",
                       gzip->stream.msg == NULL ? "zlib gives no reason" : gzip->stream.msg);
}

static bool gunzip_pull(struct filter *filter, unsigned char *to, size_t room, size_t *count,
                        struct fault *fault)
{
    struct gzip_filter *gzip = (struct gzip_filter *)filter;

    output_set(gzip, to, room);
    while (gzip->stream.next_out == to && !gzip->done) {
        if (!input_refill(gzip, fault))
            return false;
        if (gzip->ended && !gzip->inside) {
            gzip->done = true;
            break;
        }
        if (!member_read(gzip, fault))
            return false;
        if (gzip->ended && gzip->inside && gzip->stream.next_out == to)
            return failure_set(fault, FAILURE_VERIFY, "The compressed stream ends in its middle.");
    }
    *count = (size_t)(gzip->stream.next_out - to);
    return true;
}

static void deflate_release(struct filter *filter)
{
    deflateEnd(&((struct gzip_filter *)filter)->stream);
    free(filter);
}

static void inflate_release(struct filter *filter)
{
    inflateEnd(&((struct gzip_filter *)filter)->stream);
    free(filter);
}

struct filter *filter_gzip(struct filter *from, int level)
{
    struct gzip_filter *gzip = calloc(1, sizeof *gzip);

    CHECK(gzip != NULL);
    gzip->filter = (struct filter){ gzip_pull, deflate_release, from };
    CHECK(deflateInit2(&gzip->stream, level, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    return &gzip->filter;
}

struct filter *filter_gunzip(struct filter *from)
{
    struct gzip_filter *gzip = calloc(1, sizeof *gzip);

    CHECK(gzip != NULL);
    gzip->filter = (struct filter){ gunzip_pull, inflate_release, from };
    CHECK(inflateInit2(&gzip->stream, GZIP_WINDOW) == Z_OK);
    gzip->inside = true; /* an empty file is no gzip stream */
    return &gzip->filter;
}
