/* SPDX-License-Identifier: PostgreSQL
 * direct_flow - one direction of a direct session: bytes are copied between two streams; bulk goes over to
 * splice(2) and comes back when it is quiet again; both stop while the route has used up what it may move. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/list.h"
#include "gateway/net/splice.h"

struct direct;
struct stream;
struct worker;

/* Embedded in a direct session. */
struct flow {
    struct direct *direct;
    struct stream *from, *to;
    struct splice splice;
    struct list held;  /* worker->held_flows while max_rate makes it wait */
    int full_arrivals; /* in a row: the sign of bulk */
};

void flow_init(struct flow *flow, struct direct *direct, struct stream *from, struct stream *to);

/* Bytes came: all of them are taken. */
size_t flow_pass(struct flow *flow, const unsigned char *bytes, size_t length);

/* The destination takes bytes again: reads on, unless something else stands against it. */
void flow_resume(struct flow *flow);

void flow_end(struct flow *flow);

/* Lets the held flows of this worker go on, as far as there is room. Called every few milliseconds while
 * there are any. */
void flows_go_on(struct worker *worker);
