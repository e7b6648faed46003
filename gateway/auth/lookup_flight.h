/* SPDX-License-Identifier: PostgreSQL
 * lookup_flight - one question about a user that is waiting or being asked, and all who wait for it.
 * For gateway/auth/lookup*.c only. Main thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "gateway/auth/lookup.h"
#include "gateway/base/table.h"

struct lookup_target;

struct lookup_flight {
    struct table_link hashed; /* target.flights */
    struct list link;         /* target.queue or .asking */
    struct list requests;     /* none when all gave up while it was asked */
    struct lookup_key key;
    bool asked;               /* it has a connection; the answer may be older than what comes now */
    bool repeated;            /* its connection was lost once */
    char user[];
};

/* The request joins the question that is the same and not asked yet, or a new one at the end of the queue.
 * Out of memory: it fails. */
void flight_join(struct lookup_target *target, struct lookup_request *request);

/* Both answer all who wait, and free the flight; an answer goes to the cache too. */
void flight_answer(struct lookup_target *target, struct lookup_flight *flight,
                   const struct lookup_text *found);
void flight_fail(struct lookup_target *target, struct lookup_flight *flight);

/* Requests whose time is over fail; what nobody waits for any more is not asked. */
void flights_expire(struct lookup_target *target, uint64_t now_us);
