/* SPDX-License-Identifier: PostgreSQL
 * catalog_answer - PostgreSQL's answer to a question about its catalogs, message by message as it comes. What
 * it says goes into a maker of routines; sources are not kept. Its size is bounded. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/fault.h"

struct routines;
struct routines_maker;

enum { READING_FINGERPRINT_BYTES = 64 };

struct reading {
    struct routines_maker *maker; /* NULL: out of memory */
    uint64_t bytes, rows;
    bool failed;                  /* fault says why */
    struct fault fault;
    char fingerprint[READING_FINGERPRINT_BYTES];
    int max_connections, reserved, in_use; /* of the server; max_connections 0: it was not told */
};

enum reading_result {
    READING_GOES_ON,
    READING_DONE,   /* ReadyForQuery came, and nothing of ours is left in the server */
    READING_BROKEN  /* the server is of no use any more */
};

void reading_open(struct reading *reading);
void reading_close(struct reading *reading);

/* Uses whole messages; *used says how many bytes. */
enum reading_result reading_take(struct reading *reading, const unsigned char *bytes, size_t length,
                                 size_t *used);

/* Notes a failure; the first one stays. */
void reading_fail(struct reading *reading, const char *sqlstate, const char *why);
const struct fault *reading_fault(const struct reading *reading); /* NULL: none */

/* What was read, for the caller to release; NULL and a fault when it cannot be made. */
struct routines *reading_finish(struct reading *reading, struct fault *fault);
