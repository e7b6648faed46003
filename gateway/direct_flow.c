/* SPDX-License-Identifier: PostgreSQL
 * direct_flow - one direction of a direct session. */
#include "gateway/direct_flow.h"

#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/client.h"
#include "gateway/direct_login.h"
#include "gateway/throttles.h"
#include "gateway/worker.h"

/* A grant is what a splice may move without asking again, so that no session takes all at once. */
enum { BULK_ARRIVALS = 8, GRANT_BYTES = 262144 };

void flow_init(struct flow *flow, struct direct *direct, struct stream *from, struct stream *to)
{
    *flow = (struct flow){.direct = direct, .from = from, .to = to};
    list_init(&flow->held);
}

static struct throttle *throttle_of(const struct flow *flow)
{
    return &flow->direct->bulk->throttle;
}

/* Bytes that may be moved now; none: the flow is held until there is room. */
static int64_t room_or_hold(struct flow *flow)
{
    int64_t room = throttle_room(throttle_of(flow), clock_now_us());
    struct worker *worker = flow->direct->client->worker;

    if (room > 0 || !list_empty(&flow->held))
        return room;
    list_append(&worker->held_flows, &flow->held);
    if (!ev_is_active(&worker->throttle_tick))
        ev_timer_again(worker->loop, &worker->throttle_tick);
    return 0;
}

static size_t on_splice_more(void *owner)
{
    struct flow *flow = owner;
    int64_t room = room_or_hold(flow);

    room = room < GRANT_BYTES ? room : GRANT_BYTES;
    throttle_take(throttle_of(flow), room);
    return (size_t)room;
}

static void give_back_grant(struct flow *flow)
{
    throttle_take(throttle_of(flow), -(int64_t)flow->splice.budget);
    flow->splice.budget = 0;
}

static void on_splice_ended(void *owner, int error)
{
    struct flow *flow = owner;

    client_close(flow->direct->client, REASON_CLIENT_LEFT, error == 0 ? NULL : strerror(error));
}

static void on_splice_idle(void *owner)
{
    struct flow *flow = owner;

    flow->full_arrivals = 0;
    give_back_grant(flow);
    flow_resume(flow);
}

static const struct splice_events splice_events = {
    .more = on_splice_more, .ended = on_splice_ended, .idle = on_splice_idle};

/* Arrivals that fill the whole buffer, one after the other, are bulk. */
static void watch_for_bulk(struct flow *flow, size_t length)
{
    flow->full_arrivals = length == STREAM_CHUNK_BYTES ? flow->full_arrivals + 1 : 0;
    if (flow->full_arrivals < BULK_ARRIVALS || flow->from->tls != NULL || flow->to->tls != NULL)
        return;
    if (stream_backlog(flow->to) > 0)
        stream_flush(flow->to);
    if (stream_backlog(flow->to) > 0)
        return;
    stream_pause(flow->from);
    if (!splice_start(&flow->splice, flow->from->engine->loop, flow->from->fd, flow->to->fd, &splice_events,
                      flow)) {
        flow->full_arrivals = 0;
        stream_resume(flow->from);
    }
}

size_t flow_pass(struct flow *flow, const unsigned char *bytes, size_t length)
{
    stream_forward(flow->to, bytes, length);
    throttle_take(throttle_of(flow), (int64_t)length);
    if (flow->direct->state == DIRECT_OPEN)
        watch_for_bulk(flow, length);
    if (stream_congested(flow->to) || room_or_hold(flow) == 0)
        stream_pause(flow->from);
    return length;
}

void flow_resume(struct flow *flow)
{
    if (!splice_active(&flow->splice) && list_empty(&flow->held))
        stream_resume(flow->from);
}

void flow_end(struct flow *flow)
{
    list_remove(&flow->held);
    give_back_grant(flow);
    splice_stop(&flow->splice);
}

/* The first ones to be held come first, until the room is used up. */
void flows_go_on(struct worker *worker)
{
    uint64_t now_us = clock_now_us();

    list_each(link, following, &worker->held_flows) {
        struct flow *flow = list_entry(link, struct flow, held);

        if (throttle_room(throttle_of(flow), now_us) == 0)
            continue;
        list_remove(&flow->held);
        if (splice_active(&flow->splice))
            splice_go_on(&flow->splice);
        else if (stream_backlog(flow->to) <= STREAM_BACKLOG_HIGH_BYTES)
            stream_resume(flow->from);
    }
    if (list_empty(&worker->held_flows))
        ev_timer_stop(worker->loop, &worker->throttle_tick);
}
