/* SPDX-License-Identifier: PostgreSQL
 * join - the beginning of the new process: it gets the listening sockets of the one that serves now. Until it
 * says that it serves, its end changes nothing for the old one. */
#include "gateway/takeover/join.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/fault.h"
#include "gateway/base/log.h"
#include "gateway/gateway.h"
#include "gateway/net/socket.h"
#include "gateway/takeover/inherit.h"
#include "gateway/takeover/place.h"
#include "gateway/takeover/takeover.h"
#include "gateway/version.h"

#define JOIN_SECONDS 20.

static void over(struct takeover *takeover, bool joined)
{
    takeover->joined = joined;
    takeover->failed = !joined;
    ev_break(takeover->gateway->loop, EVBREAK_ALL);
}

static void on_socket(struct takeover *takeover, struct packet *packet)
{
    struct inherited socket = {.fd = packet->fd};
    struct reader reader;

    reader_init(&reader, packet->body, packet->size);
    socket.name = reader_string(&reader);
    socket.text = reader_string(&reader);
    socket.foreign = reader_u8(&reader) != 0;
    if (reader.bad || packet->fd < 0) {
        fault_set(takeover->fault, "08P01", "it offered something that is no socket");
        over(takeover, false);
    } else if (*socket.name != '\0') {
        inherit_add(&socket);
        return;
    } else if (takeover->fd < 0) {
        takeover->fd = packet->fd;
        return;
    }
    if (packet->fd >= 0)
        close(packet->fd);
}

static void received(void *owner, struct packet *packet)
{
    struct takeover *takeover = owner;
    struct reader reader;

    if (packet->kind == PACKET_SOCKET) {
        on_socket(takeover, packet);
        return;
    }
    if (packet->fd >= 0)
        close(packet->fd);
    if (packet->kind == PACKET_OFFERED) { /* the socket's own credentials are those of who made it first */
        reader_init(&reader, packet->body, packet->size);
        takeover->older_pid = (pid_t)reader_u32(&reader);
    } else if (packet->kind == PACKET_REFUSED) {
        fault_set(takeover->fault, "55000", "the process %d refused: %.*s", (int)takeover->older_pid,
                  (int)strnlen(packet->body, packet->size), (const char *)packet->body);
    } else {
        fault_set(takeover->fault, "08P01", "the process %d said what makes no sense",
                  (int)takeover->older_pid);
    }
    over(takeover, packet->kind == PACKET_OFFERED);
}

static void ended(void *owner, const char *why)
{
    struct takeover *takeover = owner;

    fault_set(takeover->fault, "08006", "the process %d did not hand over: %s", (int)takeover->older_pid,
              why);
    over(takeover, false);
}

static const struct link_events events = {.received = received, .ended = ended};

static void too_late(struct ev_loop *loop, ev_timer *timer, int revents)
{
    struct takeover *takeover = timer->data;

    (void)loop;
    (void)revents;
    fault_set(takeover->fault, "57014", "the process %d did not answer in time", (int)takeover->older_pid);
    over(takeover, false);
}

static bool reach(struct takeover *takeover, struct fault *fault)
{
    int fd;

    if (!place_find(takeover->gateway->generation->snapshot, &takeover->address, fault))
        return *fault->message != '\0' ? false : fault_set(fault, "55000", "takeover_socket is empty");
    fd = socket_connect(&takeover->address, fault);
    if (fd < 0) {
        fault_set(fault, "08001", "no process lets itself be taken over at %s: %s",
                  takeover->address.local.sun_path, strerror(errno));
        return fault_hint(fault,
                          "Is it running, by this user, with this configuration file and the same "
                          "takeover_socket? Otherwise start without --takeover.");
    }
    if (!link_is_own_user(fd, &takeover->older_pid, fault)) {
        close(fd);
        return false;
    }
    link_open(&takeover->older, takeover->gateway->loop, fd, &events, takeover);
    return true;
}

static void greet(struct takeover *takeover)
{
    struct pack pack = {0};

    pack_u32(&pack, TAKEOVER_VERSION);
    pack_text(&pack, PGSLUICE_VERSION);
    if (!pack.bad)
        link_send(&takeover->older, PACKET_HELLO, pack.bytes, pack.used, -1);
    pack_free(&pack);
}

bool takeover_join(struct gateway *gateway, struct fault *fault)
{
    struct takeover *takeover = takeover_of(gateway);
    ev_timer timer;

    takeover->fault = fault;
    if (!reach(takeover, fault))
        return false;
    greet(takeover);
    ev_timer_init(&timer, too_late, JOIN_SECONDS, 0.);
    timer.data = takeover;
    ev_timer_start(gateway->loop, &timer);
    while (!takeover->joined && !takeover->failed)
        ev_run(gateway->loop, 0);
    ev_timer_stop(gateway->loop, &timer);
    takeover->fault = NULL;
    if (takeover->joined)
        takeover->older.events = &takeover_older_events;
    return takeover->joined;
}

static void say_dropped(void *owner, size_t index)
{
    struct takeover *takeover = owner;
    struct pack pack = {0};

    pack_u32(&pack, (uint32_t)index);
    if (!pack.bad)
        link_send(&takeover->older, PACKET_DROPPED, pack.bytes, pack.used, -1);
    pack_free(&pack);
}

void join_serving(struct takeover *takeover)
{
    inherit_close(say_dropped, takeover);
    if (!link_is_open(&takeover->older))
        return;
    link_send(&takeover->older, PACKET_SERVING, NULL, 0, -1);
    takeover_count_links(takeover);
    log_info("main", "takeover: this process serves in place of %d", (int)takeover->older_pid);
}

bool takeover_is_handed_over(const struct gateway *gateway)
{
    return gateway->takeover != NULL && gateway->takeover->stage >= TAKEOVER_HANDED_OVER;
}
