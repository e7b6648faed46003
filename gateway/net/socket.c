/* SPDX-License-Identifier: PostgreSQL
 * socket - non-blocking, close-on-exec sockets with the options that a gateway wants. */
#include "gateway/net/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/fault.h"

/* One word each, so that a reload needs no lock: a connection that has some of the old and some of the new is
 * no harm. */
static struct {
    _Atomic int keepalive, keepidle_s, keepintvl_s, keepcnt, user_timeout_ms, defer_accept_s;
} options = {.keepalive = 1, .keepidle_s = 60, .keepintvl_s = 10, .keepcnt = 3};

void socket_configure(const struct socket_options *wanted)
{
    options.keepalive = wanted->keepalive;
    options.keepidle_s = wanted->keepidle_s;
    options.keepintvl_s = wanted->keepintvl_s;
    options.keepcnt = wanted->keepcnt;
    options.user_timeout_ms = wanted->user_timeout_ms;
    options.defer_accept_s = wanted->defer_accept_s;
}

static void option(int fd, int level, int name, int value)
{
    (void)setsockopt(fd, level, name, &value, sizeof value); /* an option that is refused is done without */
}

/* What a connection gets; what a listener is told, the kernel hands on to all that it accepts. */
static void socket_tune(int fd, int family)
{
    if (family == AF_UNIX)
        return;
    option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    option(fd, SOL_SOCKET, SO_KEEPALIVE, options.keepalive);
    if (options.keepidle_s > 0)
        option(fd, IPPROTO_TCP, TCP_KEEPIDLE, options.keepidle_s);
    if (options.keepintvl_s > 0)
        option(fd, IPPROTO_TCP, TCP_KEEPINTVL, options.keepintvl_s);
    if (options.keepcnt > 0)
        option(fd, IPPROTO_TCP, TCP_KEEPCNT, options.keepcnt);
    option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, options.user_timeout_ms);
}

void socket_retune(int listener, const struct address *address)
{
    socket_tune(listener, address->any.sa_family);
    if (address->any.sa_family != AF_UNIX)
        option(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, options.defer_accept_s);
}

/* A socket file that nobody listens on any more is in the way of a restart. */
static void remove_stale(const struct address *address)
{
    struct stat found;
    int probe;

    if (lstat(address->local.sun_path, &found) != 0 || !S_ISSOCK(found.st_mode))
        return;
    probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return;
    if (connect(probe, &address->any, address->length) != 0 && errno == ECONNREFUSED)
        unlink(address->local.sun_path);
    close(probe);
}

int socket_listen(const struct address *address, int backlog, struct fault *fault)
{
    char text[ADDRESS_TEXT_BYTES];
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    address_print(address, text, sizeof text);
    if (fd < 0) {
        fault_set(fault, "58030", "could not create a socket for %s: %s", text, strerror(errno));
        return -1;
    }
    if (address->any.sa_family == AF_UNIX) {
        remove_stale(address);
    } else {
        option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    }
    socket_retune(fd, address);
    if (address->any.sa_family == AF_INET6)
        option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (bind(fd, &address->any, address->length) != 0 || listen(fd, backlog) != 0) {
        fault_set(fault, "58030", "could not listen on %s: %s", text, strerror(errno));
        fault_hint(fault,
                   "Is another server listening there? Choose a free port in the listener's \"listen\".");
        close(fd);
        return -1;
    }
    return fd;
}

int socket_accept(int listener, struct address *peer)
{
    memset(peer, 0, sizeof *peer);
    peer->length = sizeof peer->storage;
    return accept4(listener, &peer->any, &peer->length, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

int socket_connect(const struct address *address, struct fault *fault)
{
    char text[ADDRESS_TEXT_BYTES];
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd >= 0) {
        socket_tune(fd, address->any.sa_family);
        if (connect(fd, &address->any, address->length) == 0 || errno == EINPROGRESS)
            return fd;
    }
    address_print(address, text, sizeof text);
    fault_set(fault, "08001", "could not connect to PostgreSQL at %s: %s", text, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

int socket_error(int fd)
{
    int error = 0;
    socklen_t length = sizeof error;

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0)
        return errno;
    return error;
}
