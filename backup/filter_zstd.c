/* SPDX-License-Identifier: PostgreSQL
 * filter_zstd - Zstandard in a chain, by libzstd, whose threads compress while the chain goes on. */
#include <stdlib.h>
#include <zstd.h>

#include "backup/failure.h"
#include "backup/filter.h"
#include "gateway/base/check.h"

struct zstd_filter {
    struct filter filter;
    ZSTD_CCtx *packer;
    ZSTD_DCtx *unpacker;
    ZSTD_inBuffer in;
    bool ended, done; /* ended: nothing more comes; done: nothing more goes */
    bool inside;      /* a frame was begun and not finished */
    unsigned char bytes[FILTER_BYTES];
};

static bool input_refill(struct zstd_filter *zstd, struct fault *fault)
{
    size_t count;

    if (zstd->in.pos < zstd->in.size || zstd->ended)
        return true;
    if (!filter_pull(zstd->filter.from, zstd->bytes, sizeof zstd->bytes, &count, fault))
        return false;
    zstd->in = (ZSTD_inBuffer){ zstd->bytes, count, 0 };
    zstd->ended = count == 0;
    return true;
}

static bool zstd_pull(struct filter *filter, unsigned char *to, size_t room, size_t *count,
                      struct fault *fault)
{
    struct zstd_filter *zstd = (struct zstd_filter *)filter;
    ZSTD_outBuffer out = { to, room, 0 };

    while (out.pos == 0 && !zstd->done) {
        size_t left;

        if (!input_refill(zstd, fault))
            return false;
        left = ZSTD_compressStream2(zstd->packer, &out, &zstd->in,
                                    zstd->ended ? ZSTD_e_end : ZSTD_e_continue);
        if (ZSTD_isError(left))
            return failure_set(fault, FAILURE_OTHER, "Compressing by zstd failed: %s.",
                               ZSTD_getErrorName(left));
        zstd->done = zstd->ended && left == 0;
    }
    *count = out.pos;
    return true;
}

static bool unzstd_pull(struct filter *filter, unsigned char *to, size_t room, size_t *count,
                        struct fault *fault)
{
    struct zstd_filter *zstd = (struct zstd_filter *)filter;
    ZSTD_outBuffer out = { to, room, 0 };

    while (out.pos == 0 && !zstd->done) {
        size_t left;

        if (!input_refill(zstd, fault))
            return false;
        zstd->done = zstd->ended;
        if (zstd->ended && !zstd->inside)
            break;
        left = ZSTD_decompressStream(zstd->unpacker, &out, &zstd->in);
        if (ZSTD_isError(left))
            return failure_set(fault, FAILURE_VERIFY, "The compressed stream is damaged: %s.",
                               ZSTD_getErrorName(left));
        if (zstd->ended && out.pos == 0 && left != 0)
            return failure_set(fault, FAILURE_VERIFY, "The compressed stream ends in its middle.");
        zstd->inside = left != 0;
        zstd->done = zstd->ended && out.pos == 0;
    }
    *count = out.pos;
    return true;
}

static void zstd_release(struct filter *filter)
{
    struct zstd_filter *zstd = (struct zstd_filter *)filter;

    ZSTD_freeCCtx(zstd->packer);
    ZSTD_freeDCtx(zstd->unpacker);
    free(zstd);
}

static struct zstd_filter *zstd_make(struct filter *from)
{
    struct zstd_filter *zstd = calloc(1, sizeof *zstd);

    CHECK(zstd != NULL);
    zstd->filter.release = zstd_release;
    zstd->filter.from = from;
    return zstd;
}

struct filter *filter_zstd(struct filter *from, int level, int threads)
{
    struct zstd_filter *zstd = zstd_make(from);

    zstd->filter.pull = zstd_pull;
    zstd->packer = ZSTD_createCCtx();
    CHECK(zstd->packer != NULL);
    CHECK(!ZSTD_isError(ZSTD_CCtx_setParameter(zstd->packer, ZSTD_c_compressionLevel, level)));
    CHECK(!ZSTD_isError(ZSTD_CCtx_setParameter(zstd->packer, ZSTD_c_checksumFlag, 1)));
    /* A libzstd without threads refuses this and works in this thread. */
    ZSTD_CCtx_setParameter(zstd->packer, ZSTD_c_nbWorkers, threads);
    return &zstd->filter;
}

struct filter *filter_unzstd(struct filter *from)
{
    struct zstd_filter *zstd = zstd_make(from);

    zstd->filter.pull = unzstd_pull;
    zstd->unpacker = ZSTD_createDCtx();
    CHECK(zstd->unpacker != NULL);
    /* An empty file is no zstd stream: the first frame is awaited. */
    zstd->inside = true;
    return &zstd->filter;
}
