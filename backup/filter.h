/* SPDX-License-Identifier: PostgreSQL
 * filter - a chain that bytes are pulled through: every link asks the one before it, the first is a
 * descriptor.
 *
 * Whoever pulls at the last link moves everything, so memory is a few buffers however long the stream is,
 * and a fault anywhere ends the pull. Each constructor takes over `from` and owns it from then on. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct digest;
struct fault;
struct pulse;
struct seal_key;

struct filter {
    /* Fills up to room bytes and tells how many; none means the end, and then always. */
    bool (*pull)(struct filter *filter, unsigned char *to, size_t room, size_t *count, struct fault *fault);
    void (*release)(struct filter *filter); /* itself; NULL = free() does */
    struct filter *from;                    /* NULL for the first link */
};

enum { FILTER_BYTES = 1 << 17 }; /* what one pull asks for */

bool filter_pull(struct filter *filter, unsigned char *to, size_t room, size_t *count, struct fault *fault);

/* Pulls until `room` bytes are there or the stream ends. */
bool filter_pull_full(struct filter *filter, unsigned char *to, size_t room, size_t *count,
                      struct fault *fault);

/* The link and all before it; nothing for NULL. */
void filter_free(struct filter *filter);

/* Reads fd, which it closes in the end; waits with the pulse. `what` is for faults and not copied. */
struct filter *filter_source(int fd, const char *what, const struct pulse *pulse);

/* Counts and hashes what passes; *digest is complete once the end was pulled. */
struct filter *filter_measure(struct filter *from, struct digest *digest);

/* Zstandard (RFC 8878) with a checksum of the contents; threads = 0 compresses in the caller's thread. */
struct filter *filter_zstd(struct filter *from, int level, int threads);
struct filter *filter_unzstd(struct filter *from);

/* Gzip (RFC 1952); several members after one another are read as one. */
struct filter *filter_gzip(struct filter *from, int level);
struct filter *filter_gunzip(struct filter *from);

/* The format of seal.h, and back; the key is copied. What was changed, cut or put together anew is a
 * FAILURE_VERIFY, a key that does not fit a FAILURE_CRYPTO. */
struct filter *filter_seal(struct filter *from, const struct seal_key *key);

/* Called with the header of the stream; finds the data key for it. */
struct seal_opener {
    bool (*open)(void *context, const unsigned char *header, struct seal_key *key, struct fault *fault);
    void *context;
};
struct filter *filter_unseal(struct filter *from, const struct seal_opener *opener);

/* Lets at most so many bytes pass in a second, on average over one second. */
struct filter *filter_rate(struct filter *from, uint64_t bytes_per_second, const struct pulse *pulse);
