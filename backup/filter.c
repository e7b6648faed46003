/* SPDX-License-Identifier: PostgreSQL
 * filter - the links that every chain has: its beginning at a descriptor, the measure at its end, the
 * brake. */
#include "backup/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "backup/digest.h"
#include "backup/failure.h"
#include "backup/pulse.h"
#include "gateway/base/check.h"
#include "gateway/base/clock.h"

bool filter_pull(struct filter *filter, unsigned char *to, size_t room, size_t *count, struct fault *fault)
{
    *count = 0;
    return filter->pull(filter, to, room, count, fault);
}

bool filter_pull_full(struct filter *filter, unsigned char *to, size_t room, size_t *count,
                      struct fault *fault)
{
    size_t got = 1;

    for (*count = 0; *count < room && got > 0; *count += got)
        if (!filter_pull(filter, to + *count, room - *count, &got, fault))
            return false;
    return true;
}

void filter_free(struct filter *filter)
{
    while (filter != NULL) {
        struct filter *from = filter->from;

        if (filter->release != NULL)
            filter->release(filter);
        else
            free(filter);
        filter = from;
    }
}

struct source {
    struct filter filter;
    int fd;
    const char *what;
    const struct pulse *pulse;
};

static bool source_pull(struct filter *filter, unsigned char *to, size_t room, size_t *count,
                        struct fault *fault)
{
    struct source *source = (struct source *)filter;
    ssize_t got;

    for (;;) {
        if (!pulse_beat(source->pulse, fault))
            return false;
        got = read(source->fd, to, room);
        if (got >= 0)
            break;
        if (errno != EAGAIN && errno != EINTR)
            return failure_storage(fault, "read", source->what);
        if (errno == EAGAIN && !pulse_wait(source->pulse, source->fd, POLLIN, fault))
            return false;
    }
    *count = (size_t)got;
    return true;
}

static void source_release(struct filter *filter)
{
    close(((struct source *)filter)->fd);
    free(filter);
}

struct filter *filter_source(int fd, const char *what, const struct pulse *pulse)
{
    struct source *source = malloc(sizeof *source);

    CHECK(source != NULL);
    *source = (struct source){ { source_pull, source_release, NULL }, fd, what, pulse };
    fcntl(fd, F_SETFL, O_NONBLOCK); /* a pipe must not keep a stop waiting; for a file it means nothing */
    return &source->filter;
}

struct measure {
    struct filter filter;
    struct hash *hash; /* NULL after the end */
    struct digest *digest;
    uint64_t bytes;
};

static bool measure_pull(struct filter *filter, unsigned char *to, size_t room, size_t *count,
                         struct fault *fault)
{
    struct measure *measure = (struct measure *)filter;

    if (!filter_pull(filter->from, to, room, count, fault))
        return false;
    if (measure->hash == NULL)
        return true;
    hash_add(measure->hash, to, *count);
    measure->bytes += *count;
    if (*count > 0)
        return true;
    hash_finish(measure->hash, measure->digest->sha256);
    measure->digest->bytes = measure->bytes;
    measure->hash = NULL;
    return true;
}

static void measure_release(struct filter *filter)
{
    char ignored[DIGEST_TEXT];
    struct measure *measure = (struct measure *)filter;

    if (measure->hash != NULL)
        hash_finish(measure->hash, ignored);
    free(measure);
}

struct filter *filter_measure(struct filter *from, struct digest *digest)
{
    struct measure *measure = malloc(sizeof *measure);

    CHECK(measure != NULL);
    *measure = (struct measure){ { measure_pull, measure_release, from }, hash_start(), digest, 0 };
    return &measure->filter;
}

struct brake {
    struct filter filter;
    uint64_t bytes_per_second, credit, filled_us; /* credit: bytes that may pass now */
    const struct pulse *pulse;
};

/* The bucket holds one second, so that a pause does not become a burst. */
static void credit_fill(struct brake *brake)
{
    uint64_t now_us = clock_now_us(), passed_us = now_us - brake->filled_us;
    uint64_t limit = brake->bytes_per_second;
    uint64_t added = passed_us >= 1000000 ? limit : (uint64_t)((double)limit * (double)passed_us / 1e6);

    if (added == 0)
        return;
    brake->filled_us = now_us;
    brake->credit = brake->credit + added > limit ? limit : brake->credit + added;
}

static bool brake_pull(struct filter *filter, unsigned char *to, size_t room, size_t *count,
                       struct fault *fault)
{
    struct brake *brake = (struct brake *)filter;
    uint64_t least = brake->bytes_per_second / 20 + 1; /* sleeps are fifty milliseconds, not one byte */

    for (credit_fill(brake); brake->credit < least; credit_fill(brake)) {
        poll(NULL, 0, 10);
        if (!pulse_beat(brake->pulse, fault))
            return false;
    }
    if (!filter_pull(filter->from, to, brake->credit < room ? (size_t)brake->credit : room, count, fault))
        return false;
    brake->credit -= *count;
    return true;
}

struct filter *filter_rate(struct filter *from, uint64_t bytes_per_second, const struct pulse *pulse)
{
    struct brake *brake = malloc(sizeof *brake);

    CHECK(brake != NULL && bytes_per_second > 0);
    *brake = (struct brake){ { brake_pull, NULL, from }, bytes_per_second, 0, clock_now_us(), pulse };
    return &brake->filter;
}
