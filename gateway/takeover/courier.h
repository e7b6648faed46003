/* SPDX-License-Identifier: PostgreSQL
 * courier - cancel requests for sessions that may be in another process: passed on along the chain of
 * processes that took over from each other, with the requester's connection. */
#pragma once

#include <stdint.h>

#include "router/cancel.h"

struct gateway;
struct packet;
struct requester;
struct takeover;
struct worker;

/* Where it came from, it does not go again. */
enum courier_way { COURIER_TO_ALL, COURIER_TO_OLDER, COURIER_TO_NEWER };

/* A worker's thread. Delivers a request whose key was found here; the requester hears of its end. The
 * request's backend is filled in. */
void courier_deliver(struct worker *worker, const struct cancel_target *target,
                     const struct cancel_request *request, struct requester *requester);

/* Any thread. For a key that nobody has here; the requester is taken over, NULL is nothing to do. */
void courier_pass_on(struct gateway *gateway, const struct cancel_request *request,
                     struct requester *requester, enum courier_way way);

/* Main thread. A CANCEL packet came; `way` is where it goes on when nobody has its key here. */
void courier_hear(struct gateway *gateway, struct packet *packet, enum courier_way way);
