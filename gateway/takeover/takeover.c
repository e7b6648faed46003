/* SPDX-License-Identifier: PostgreSQL
 * takeover - restart and upgrade without refusing anyone, as the old process sees it, and what both share.
 * join.c is the new one's beginning. */
#include "gateway/takeover/takeover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/fault.h"
#include "gateway/base/log.h"
#include "gateway/gateway.h"
#include "gateway/listener.h"
#include "gateway/serve.h"
#include "gateway/supervisor.h"
#include "gateway/takeover/inherit.h"
#include "gateway/takeover/join.h"
#include "gateway/takeover/passage.h"
#include "gateway/takeover/place.h"
#include "gateway/takeover/successor.h"
#include "gateway/version.h"
#include "gateway/worker.h"

#define LOOK_SECONDS 0.1

enum { OFFER_LIMIT_US = 30000000, SURPLUS_LOOKS = 10 };

static void to_workers(struct takeover *takeover, enum note_kind kind, enum note_side side)
{
    struct gateway *gateway = takeover->gateway;

    for (int i = 0; i < gateway->worker_count; i++) {
        struct note *note = note_new(kind, NULL, 0, -1);

        if (note == NULL)
            continue;
        note->side = side;
        note->era = takeover->era;
        note_to_worker(&gateway->workers[i], note);
    }
}

/* A packet of either process is about one session, whose worker is asked. */
static void to_worker(struct takeover *takeover, const struct packet *packet, enum note_side side)
{
    struct reader reader;
    struct note *note;
    uint64_t token;

    reader_init(&reader, packet->body, packet->size);
    token = unpack_u64(&reader);
    note = note_new(NOTE_PACKET, packet->body, packet->size, packet->fd);
    if (note == NULL)
        return;
    note->side = side;
    note->packet = packet->kind;
    if (reader.bad)
        note_free(note);
    else
        note_to_worker(side == SIDE_NEW ? passage_old_worker(takeover->gateway, token)
                                        : passage_new_worker(takeover->gateway, token),
                       note);
}

void takeover_count_links(struct takeover *takeover)
{
    int links = link_is_open(&takeover->older) +
                (takeover->stage >= TAKEOVER_HANDED_OVER && link_is_open(&takeover->newer));

    atomic_store(&takeover->gateway->links, links);
}

/* Offers one socket; the takeover socket has no listener's name. */
static void offer(void *owner, const struct inherited *socket)
{
    struct takeover *takeover = owner;
    struct pack pack = {0};

    pack_text(&pack, socket->name);
    pack_text(&pack, socket->text);
    pack_u8(&pack, socket->foreign);
    if (!pack.bad)
        link_send(&takeover->newer, PACKET_SOCKET, pack.bytes, pack.used, socket->fd);
    pack_free(&pack);
}

static void refuse(struct takeover *takeover, const char *why)
{
    log_warn("main", "takeover: the process %d was refused: %s", (int)takeover->newer_pid, why);
    link_send(&takeover->newer, PACKET_REFUSED, why, strlen(why) + 1, -1);
    link_close(&takeover->newer);
    takeover->stage = TAKEOVER_ALONE;
}

static void on_hello(struct takeover *takeover, const struct packet *packet)
{
    const struct inherited own = {takeover->fd, "", takeover->address.local.sun_path, false};
    struct pack offered = {0};
    struct reader reader;
    uint32_t version;
    const char *program;

    reader_init(&reader, packet->body, packet->size);
    version = reader_u32(&reader);
    program = reader_string(&reader);
    if (reader.bad || takeover->stage != TAKEOVER_GREETED) {
        refuse(takeover, "it said what makes no sense");
        return;
    }
    if (version != TAKEOVER_VERSION) {
        refuse(takeover, "the versions of both programs do not understand each other; restart instead");
        return;
    }
    log_info("main", "takeover: the process %d, pgsluice %.40s, asks for the listening sockets",
             (int)takeover->newer_pid, program);
    takeover->stage = TAKEOVER_OFFERED;
    takeover->dropped = 0;
    listeners_each(offer, takeover);
    offer(takeover, &own);
    pack_u32(&offered, (uint32_t)getpid());
    if (!offered.bad)
        link_send(&takeover->newer, PACKET_OFFERED, offered.bytes, offered.used, -1);
    pack_free(&offered);
}

/* The newer process serves. The sockets are kept, in case that it dies. */
static void hand_over(struct takeover *takeover)
{
    uint64_t patience_us = takeover->gateway->generation->snapshot->takeover_timeout_us;

    takeover->stage = TAKEOVER_HANDED_OVER;
    takeover->era++;
    takeover->ends_us = patience_us == 0 ? UINT64_MAX : clock_now_us() + patience_us;
    listeners_pause();
    ev_io_stop(takeover->gateway->loop, &takeover->acceptor);
    takeover_count_links(takeover);
    link_send(&takeover->older, PACKET_SETTLED, NULL, 0, -1);
    supervisor_main_pid(takeover->newer_pid);
    log_info("main", "takeover: the process %d accepts connections now; sessions follow it",
             (int)takeover->newer_pid);
    to_workers(takeover, NOTE_DRAIN, SIDE_NEW);
}

static void on_dropped(struct takeover *takeover, const struct packet *packet)
{
    struct reader reader;

    reader_init(&reader, packet->body, packet->size);
    listeners_drop(reader_u32(&reader) - takeover->dropped++);
}

static void from_newer(void *owner, struct packet *packet)
{
    struct takeover *takeover = owner;
    bool served = takeover->stage == TAKEOVER_HANDED_OVER || takeover->stage == TAKEOVER_SETTLED;

    if (packet->kind == PACKET_HELLO) {
        on_hello(takeover, packet);
    } else if (packet->kind == PACKET_DROPPED && takeover->stage == TAKEOVER_OFFERED) {
        on_dropped(takeover, packet);
    } else if (packet->kind == PACKET_SERVING && takeover->stage == TAKEOVER_OFFERED) {
        hand_over(takeover);
    } else if (packet->kind == PACKET_CANCEL && served) {
        courier_hear(takeover->gateway, packet, COURIER_TO_OLDER);
    } else if ((packet->kind == PACKET_READY || packet->kind == PACKET_DECLINED) && served) {
        to_worker(takeover, packet, SIDE_NEW);
    } else if (packet->kind == PACKET_SETTLED && served) {
        takeover->stage = TAKEOVER_SETTLED;
        listeners_close(true);
    } else if (packet->kind == PACKET_STOPPING && served) {
        serve_shutdown(takeover->gateway, false);
    } else if (packet->fd >= 0) {
        close(packet->fd);
    }
}

/* Nobody is lost: this process accepts again, and who did not go stays. */
static void newer_ended(void *owner, const char *why)
{
    struct takeover *takeover = owner;
    enum takeover_stage before = takeover->stage;

    takeover->stage = before == TAKEOVER_SETTLED || before == TAKEOVER_LAST ? TAKEOVER_LAST : TAKEOVER_ALONE;
    takeover_count_links(takeover);
    if (before == TAKEOVER_GREETED || before == TAKEOVER_OFFERED) {
        log_warn("main", "takeover: the process %d did not take over: %s; this one goes on",
                 (int)takeover->newer_pid, why);
        return;
    }
    to_workers(takeover, NOTE_STAY, SIDE_NEW);
    if (atomic_load(&takeover->gateway->stopping))
        return;
    log_error("main", "takeover: the process %d that took over: %s; this one serves what it still has%s",
              (int)takeover->newer_pid, why, takeover->stage == TAKEOVER_ALONE ? " and accepts again" : "");
    if (takeover->stage != TAKEOVER_ALONE)
        return;
    listeners_resume();
    ev_io_start(takeover->gateway->loop, &takeover->acceptor);
    supervisor_main_pid(getpid());
}

static const struct link_events newer_events = {.received = from_newer, .ended = newer_ended};

static void from_older(void *owner, struct packet *packet)
{
    struct takeover *takeover = owner;

    switch ((int)packet->kind) {
    case PACKET_CANCEL:
        courier_hear(takeover->gateway, packet, COURIER_TO_NEWER);
        return;
    case PACKET_CLIENT:
    case PACKET_HEARING:
    case PACKET_GONE:
    case PACKET_RECALLED:
        to_worker(takeover, packet, SIDE_OLD);
        return;
    default:
        if (packet->fd >= 0)
            close(packet->fd);
    }
}

static void older_ended(void *owner, const char *why)
{
    struct takeover *takeover = owner;

    takeover_count_links(takeover);
    log_info("main", "takeover: the older process %d has ended: %s", (int)takeover->older_pid, why);
    to_workers(takeover, NOTE_ALONE, SIDE_OLD);
}

const struct link_events takeover_older_events = {.received = from_older, .ended = older_ended};

static void acceptable(struct ev_loop *loop, ev_io *acceptor, int events)
{
    struct takeover *takeover = acceptor->data;
    int fd = accept4(takeover->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct fault fault;
    pid_t pid;

    (void)events;
    if (fd < 0)
        return;
    if (!link_is_own_user(fd, &pid, &fault) || takeover->stage != TAKEOVER_ALONE) {
        log_warn("main", "takeover: refused: %s",
                 takeover->stage != TAKEOVER_ALONE ? "another process is taking over" : fault.message);
        close(fd);
        return;
    }
    takeover->newer_pid = pid;
    takeover->stage = TAKEOVER_GREETED;
    takeover->ends_us = clock_now_us() + OFFER_LIMIT_US;
    link_open(&takeover->newer, loop, fd, &newer_events, takeover);
}

static void is_over(struct takeover *takeover)
{
    struct gateway *gateway = takeover->gateway;

    if (atomic_load(&gateway->clients) > 0 || link_is_open(&takeover->older) ||
        atomic_load(&gateway->stopping))
        return;
    log_info("main", "takeover: every session has moved or ended");
    serve_shutdown(gateway, false);
}

static void look(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct takeover *takeover = timer->data;
    uint64_t now_us = clock_now_us();

    (void)loop;
    (void)events;
    successor_look();
    if (takeover->stage == TAKEOVER_ALONE)
        return;
    if (takeover->stage == TAKEOVER_GREETED || takeover->stage == TAKEOVER_OFFERED) {
        if (now_us > takeover->ends_us)
            refuse(takeover, "it took too long");
        return;
    }
    if (now_us > takeover->ends_us) {
        log_info("main", "takeover: takeover_timeout is over for sessions that could not move");
        takeover->ends_us = UINT64_MAX;
        to_workers(takeover, NOTE_END, SIDE_NEW);
    }
    if (takeover->looks++ % SURPLUS_LOOKS == 0)
        pools_close_surplus(&takeover->gateway->pools);
    is_over(takeover);
}

struct takeover *takeover_of(struct gateway *gateway)
{
    struct takeover *takeover = gateway->takeover;

    if (takeover != NULL)
        return takeover;
    takeover = calloc(1, sizeof *takeover);
    CHECK(takeover != NULL);
    takeover->gateway = gateway;
    takeover->fd = -1;
    link_init(&takeover->older);
    link_init(&takeover->newer);
    gateway->takeover = takeover;
    return takeover;
}

static bool listen_for_newer(struct takeover *takeover, struct fault *fault)
{
    if (takeover->fd >= 0) /* the older process's */
        return true;
    if (!place_find(takeover->gateway->generation->snapshot, &takeover->address, fault))
        return false;
    takeover->fd = place_listen(&takeover->address, fault);
    return takeover->fd >= 0;
}

void takeover_open(struct gateway *gateway)
{
    struct takeover *takeover = takeover_of(gateway);
    struct fault fault;

    join_serving(takeover);
    ev_timer_init(&takeover->look, look, LOOK_SECONDS, LOOK_SECONDS);
    takeover->look.data = takeover;
    ev_timer_start(gateway->loop, &takeover->look);
    if (!listen_for_newer(takeover, &fault)) {
        if (*fault.message != '\0')
            log_warn("main", "no other process will be able to take over: %s %s", fault.message, fault.hint);
        return;
    }
    ev_io_init(&takeover->acceptor, acceptable, takeover->fd, EV_READ);
    takeover->acceptor.data = takeover;
    ev_io_start(gateway->loop, &takeover->acceptor);
}

bool takeover_stop(struct gateway *gateway)
{
    struct takeover *takeover = takeover_of(gateway);
    bool handed_over = takeover->stage >= TAKEOVER_HANDED_OVER;

    if (!handed_over)
        link_send(&takeover->older, PACKET_STOPPING, NULL, 0, -1);
    if (takeover->stage == TAKEOVER_GREETED || takeover->stage == TAKEOVER_OFFERED)
        refuse(takeover, "the process that it asked is stopping");
    ev_io_stop(gateway->loop, &takeover->acceptor);
    if (takeover->fd >= 0) {
        close(takeover->fd);
        if (!handed_over)
            unlink(takeover->address.local.sun_path);
    }
    takeover->fd = -1;
    return handed_over;
}

void takeover_close(struct gateway *gateway)
{
    struct takeover *takeover = takeover_of(gateway);

    ev_timer_stop(gateway->loop, &takeover->look);
    link_close(&takeover->older);
    link_close(&takeover->newer);
    gateway->takeover = NULL;
    free(takeover);
}

void takeover_pass_on(struct gateway *gateway, struct note *note)
{
    struct takeover *takeover = gateway->takeover;

    if (note->side == SIDE_OLD)
        link_send(&takeover->older, note->packet, note->body, note->size, note->fd);
    else if (takeover->stage >= TAKEOVER_HANDED_OVER && note->era == takeover->era)
        link_send(&takeover->newer, note->packet, note->body, note->size, note->fd);
}

bool takeover_send_cancel(struct takeover *takeover, const struct pack *pack, int fd, enum courier_way way)
{
    bool older = way != COURIER_TO_NEWER && link_is_open(&takeover->older);
    bool newer = way != COURIER_TO_OLDER && link_is_open(&takeover->newer) &&
                 takeover->stage >= TAKEOVER_HANDED_OVER;

    if (older)
        link_send(&takeover->older, PACKET_CANCEL, pack->bytes, pack->used, fd);
    if (newer)
        link_send(&takeover->newer, PACKET_CANCEL, pack->bytes, pack->used, fd);
    return older || newer;
}
