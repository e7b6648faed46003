/* SPDX-License-Identifier: PostgreSQL
 * link - the Unix socket between two processes of which one takes over. A descriptor goes with the first byte
 * of its packet; the kernel never joins what came with different ones in one read, and keeps their order. */
#include "gateway/takeover/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/fault.h"

enum { READ_BYTES = 65536 };

struct outgoing {
    struct list link;
    int fd; /* ours, -1: none, or sent */
    size_t size, sent;
    unsigned char bytes[];
};

union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(LINK_FDS_MAX * sizeof(int))];
};

void link_init(struct link *link)
{
    memset(link, 0, sizeof *link);
    link->fd = -1;
    list_init(&link->queue);
}

bool link_is_open(const struct link *link)
{
    return link->fd >= 0;
}

static void outgoing_free(struct outgoing *outgoing)
{
    list_remove(&outgoing->link);
    if (outgoing->fd >= 0)
        close(outgoing->fd);
    explicit_bzero(outgoing->bytes, outgoing->size);
    free(outgoing);
}

void link_close(struct link *link)
{
    if (link->fd < 0)
        return;
    ev_io_stop(link->loop, &link->reader);
    ev_io_stop(link->loop, &link->writer);
    while (!list_empty(&link->queue))
        outgoing_free(list_entry(link->queue.next, struct outgoing, link));
    while (link->fd_count > 0)
        close(link->fds[--link->fd_count]);
    if (link->bytes != NULL)
        explicit_bzero(link->bytes, link->room);
    free(link->bytes);
    close(link->fd);
    link_init(link);
}

static void fail(struct link *link, const char *why)
{
    const struct link_events *events = link->events;
    void *owner = link->owner;

    link_close(link);
    events->ended(owner, why);
}

static ssize_t send_part(int fd, struct outgoing *outgoing)
{
    struct iovec part = {outgoing->bytes + outgoing->sent, outgoing->size - outgoing->sent};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    union control control = {.bytes = {0}};
    struct cmsghdr *head;

    if (outgoing->fd >= 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(sizeof(int));
        head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(head), &outgoing->fd, sizeof(int));
    }
    return sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* An end of the connection is found by the reader, behind what the other one still said. */
static void flush(struct link *link)
{
    while (!list_empty(&link->queue)) {
        struct outgoing *outgoing = list_entry(link->queue.next, struct outgoing, link);
        ssize_t sent = send_part(link->fd, outgoing);

        if (sent < 0 && (errno == EAGAIN || errno == EINTR || errno == ETOOMANYREFS || errno == ENOBUFS)) {
            ev_io_start(link->loop, &link->writer);
            return;
        }
        if (sent >= 0 && outgoing->fd >= 0) {
            close(outgoing->fd);
            outgoing->fd = -1;
        }
        outgoing->sent += sent < 0 ? 0 : (size_t)sent;
        if (sent < 0 || outgoing->sent == outgoing->size)
            outgoing_free(outgoing);
    }
    ev_io_stop(link->loop, &link->writer);
}

static void writable(struct ev_loop *loop, ev_io *writer, int events)
{
    (void)loop;
    (void)events;
    flush(writer->data);
}

void link_send(struct link *link, enum packet_kind kind, const void *body, size_t size, int fd)
{
    struct packet_head head = {(uint32_t)size, kind, fd >= 0};
    struct outgoing *outgoing;
    bool first;

    if (link->fd < 0)
        return;
    outgoing = malloc(sizeof *outgoing + PACKET_HEAD_BYTES + size);
    if (outgoing == NULL)
        return;
    *outgoing = (struct outgoing){.size = PACKET_HEAD_BYTES + size};
    outgoing->fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
    packet_write_head(outgoing->bytes, &head);
    if (size > 0)
        memcpy(outgoing->bytes + PACKET_HEAD_BYTES, body, size);
    list_init(&outgoing->link);
    if (fd >= 0 && outgoing->fd < 0) {
        outgoing_free(outgoing);
        return;
    }
    first = list_empty(&link->queue);
    list_append(&link->queue, &outgoing->link);
    if (first)
        flush(link);
}

static bool reserve(struct link *link)
{
    size_t room = link->room == 0 ? READ_BYTES : link->room;
    unsigned char *wider;

    if (link->room - link->used >= READ_BYTES / 2)
        return true;
    while (room - link->used < READ_BYTES / 2)
        room *= 2;
    wider = malloc(room);
    if (wider == NULL)
        return false;
    if (link->used > 0) {
        memcpy(wider, link->bytes, link->used);
        explicit_bzero(link->bytes, link->used);
    }
    free(link->bytes);
    link->bytes = wider;
    link->room = room;
    return true;
}

/* Takes every descriptor there is before judging them, so that none is left open. */
static bool take_fds(struct link *link, struct msghdr *message)
{
    bool good = (message->msg_flags & MSG_CTRUNC) == 0;

    for (struct cmsghdr *head = CMSG_FIRSTHDR(message); head != NULL; head = CMSG_NXTHDR(message, head)) {
        size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t i = 0; i < count; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(head) + i * sizeof fd, sizeof fd);
            if (link->fd_count < LINK_FDS_MAX) {
                link->fds[link->fd_count++] = fd;
                continue;
            }
            close(fd);
            good = false;
        }
    }
    return good;
}

static int next_fd(struct link *link)
{
    int fd = link->fds[0];

    memmove(link->fds, link->fds + 1, --link->fd_count * sizeof fd);
    return fd;
}

/* Hands out what is there as a whole. */
static void show(struct link *link)
{
    struct packet_head head;
    size_t at = 0;
    enum packet_result result;

    while ((result = packet_peek(link->bytes + at, link->used - at, &head)) == PACKET_OK) {
        struct packet packet = {head.kind, link->bytes + at + PACKET_HEAD_BYTES, head.size, -1};

        if (head.has_fd && link->fd_count == 0)
            break;
        if (head.has_fd)
            packet.fd = next_fd(link);
        link->events->received(link->owner, &packet);
        if (link->fd < 0)
            return;
        at += PACKET_HEAD_BYTES + head.size;
    }
    if (result != PACKET_SHORT) {
        fail(link, "it said what makes no sense");
        return;
    }
    explicit_bzero(link->bytes, at);
    link->used -= at;
    memmove(link->bytes, link->bytes + at, link->used);
}

static void readable(struct ev_loop *loop, ev_io *reader, int events)
{
    struct link *link = reader->data;
    union control control;
    struct iovec part;
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    ssize_t got;

    (void)loop;
    (void)events;
    if (!reserve(link)) {
        fail(link, "out of memory");
        return;
    }
    part = (struct iovec){link->bytes + link->used, link->room - link->used};
    got = recvmsg(link->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        fail(link, got == 0 ? "it is gone" : strerror(errno));
        return;
    }
    link->used += (size_t)got;
    if (take_fds(link, &message))
        show(link);
    else
        fail(link, "it sent more descriptors than packets that come with one");
}

void link_open(struct link *link, struct ev_loop *loop, int fd, const struct link_events *events, void *owner)
{
    link_init(link);
    link->loop = loop;
    link->events = events;
    link->owner = owner;
    link->fd = fd;
    ev_io_init(&link->reader, readable, fd, EV_READ);
    ev_io_init(&link->writer, writable, fd, EV_WRITE);
    link->reader.data = link->writer.data = link;
    ev_io_start(loop, &link->reader);
}

bool link_is_own_user(int fd, pid_t *pid, struct fault *fault)
{
    struct ucred peer;
    socklen_t length = sizeof peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0)
        return fault_set(fault, "58030", "who is on the takeover socket cannot be told: %s", strerror(errno));
    *pid = peer.pid;
    if (peer.uid == geteuid())
        return true;
    return fault_set(fault, "28000", "the process %d on the takeover socket belongs to another user (%u)",
                     (int)peer.pid, (unsigned)peer.uid);
}
