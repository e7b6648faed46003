/* SPDX-License-Identifier: PostgreSQL
 * filter_seal - encryption and decryption in a chain, chunk by chunk, in the format of seal.h. */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "backup/failure.h"
#include "backup/filter.h"
#include "backup/seal.h"
#include "gateway/base/check.h"

enum { CHUNK = 1 << SEAL_CHUNK_LOG };

struct seal_filter {
    struct filter filter;
    unsigned char file_key[SEAL_KEY];
    struct seal_opener opener;
    uint64_t index;        /* of the next chunk */
    bool begun, last;      /* header made or read; last chunk too */
    size_t at, ready;      /* what of `bytes` waits to be pulled */
    struct seal_key key;
    unsigned char bytes[CHUNK + SEAL_TAG];
};

static bool chunk_close(struct seal_filter *seal, struct fault *fault)
{
    size_t count;

    if (!filter_pull_full(seal->filter.from, seal->bytes, CHUNK, &count, fault))
        return false;
    seal->last = count < CHUNK;
    seal_chunk_close(&(struct seal_chunk){ seal->file_key, seal->index++, seal->last }, seal->bytes, count);
    seal->ready = count + SEAL_TAG;
    return true;
}

static bool header_make(struct seal_filter *seal, struct fault *fault)
{
    (void)fault;
    seal_header_make(seal->bytes, &seal->key, seal->file_key);
    seal->ready = SEAL_HEADER;
    return true;
}

static bool chunk_open(struct seal_filter *seal, struct fault *fault)
{
    size_t count;

    if (!filter_pull_full(seal->filter.from, seal->bytes, sizeof seal->bytes, &count, fault))
        return false;
    seal->last = count < sizeof seal->bytes;
    if (count < SEAL_TAG)
        return failure_set(fault, FAILURE_VERIFY, "The encrypted file was cut off behind chunk %llu.",
                           (unsigned long long)seal->index);
    if (!seal_chunk_open(&(struct seal_chunk){ seal->file_key, seal->index, seal->last }, seal->bytes,
                         count))
        return failure_set(fault, FAILURE_VERIFY,
                           "Chunk %llu of the encrypted file was changed, exchanged or cut.",
                           (unsigned long long)seal->index);
    seal->index++;
    seal->ready = count - SEAL_TAG;
    return true;
}

static bool header_read(struct seal_filter *seal, struct fault *fault)
{
    unsigned char header[SEAL_HEADER];
    size_t count;

    if (!filter_pull_full(seal->filter.from, header, sizeof header, &count, fault))
        return false;
    if (count < sizeof header)
        return failure_set(fault, FAILURE_VERIFY, "The encrypted file is shorter than its header.");
    if (!seal_header_check(header, fault) ||
        !seal->opener.open(seal->opener.context, header, &seal->key, fault))
        return false;
    seal_file_key(header, seal->key.data, seal->file_key);
    return true;
}

static bool ready_pull(struct seal_filter *seal, bool (*begin)(struct seal_filter *, struct fault *),
                       bool (*next)(struct seal_filter *, struct fault *), struct fault *fault)
{
    while (seal->at == seal->ready && !(seal->begun && seal->last)) {
        seal->at = seal->ready = 0;
        if (!(seal->begun ? next : begin)(seal, fault))
            return false;
        seal->begun = true;
    }
    return true;
}

static void ready_give(struct seal_filter *seal, unsigned char *to, size_t room, size_t *count)
{
    *count = seal->ready - seal->at < room ? seal->ready - seal->at : room;
    memcpy(to, seal->bytes + seal->at, *count);
    seal->at += *count;
}

static bool seal_pull(struct filter *filter, unsigned char *to, size_t room, size_t *count,
                      struct fault *fault)
{
    struct seal_filter *seal = (struct seal_filter *)filter;

    if (!ready_pull(seal, header_make, chunk_close, fault))
        return false;
    ready_give(seal, to, room, count);
    return true;
}

static bool unseal_pull(struct filter *filter, unsigned char *to, size_t room, size_t *count,
                        struct fault *fault)
{
    struct seal_filter *seal = (struct seal_filter *)filter;

    if (!ready_pull(seal, header_read, chunk_open, fault))
        return false;
    ready_give(seal, to, room, count);
    return true;
}

static void seal_release(struct filter *filter)
{
    OPENSSL_cleanse(filter, sizeof(struct seal_filter));
    free(filter);
}

static struct seal_filter *seal_make(struct filter *from)
{
    struct seal_filter *seal = calloc(1, sizeof *seal);

    CHECK(seal != NULL);
    seal->filter = (struct filter){ NULL, seal_release, from };
    return seal;
}

struct filter *filter_seal(struct filter *from, const struct seal_key *key)
{
    struct seal_filter *seal = seal_make(from);

    seal->filter.pull = seal_pull;
    seal->key = *key;
    return &seal->filter;
}

struct filter *filter_unseal(struct filter *from, const struct seal_opener *opener)
{
    struct seal_filter *seal = seal_make(from);

    seal->filter.pull = unseal_pull;
    seal->opener = *opener;
    return &seal->filter;
}
