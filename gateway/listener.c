/* SPDX-License-Identifier: PostgreSQL
 * listener - accepts and dispatches. When descriptors run out, a spare one is given up to accept and close,
 * so that the loop does not spin on a connection that it cannot take. */
#include "gateway/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/check.h"
#include "gateway/base/fault.h"
#include "gateway/base/list.h"
#include "gateway/base/log.h"
#include "gateway/gateway.h"
#include "gateway/net/socket.h"
#include "gateway/takeover/inherit.h"
#include "gateway/worker.h"

enum { BACKLOG = 4096 };

struct listening {
    struct list link;
    struct gateway *gateway;
    size_t listener; /* index in the snapshot: listeners do not change by a reload */
    size_t place;    /* ... and in its `listen` */
    bool foreign;    /* its file is its maker's */
    int fd;
    struct address address;
    ev_io acceptor;
};

static struct list all = {&all, &all}; /* [main] */
static int spare = -1;                 /* [main] */

static struct worker *least_loaded(struct gateway *gateway)
{
    struct worker *found = &gateway->workers[0];

    for (int i = 1; i < gateway->worker_count; i++)
        if (atomic_load(&gateway->workers[i].load) < atomic_load(&found->load))
            found = &gateway->workers[i];
    return found;
}

static void refuse_one(struct listening *listening)
{
    struct address peer;
    int fd;

    log_error("main",
              "no file descriptor is left for a connection to listener=%s; raise the limit (ulimit -n)",
              listening->gateway->generation->snapshot->listeners[listening->listener].name);
    close(spare);
    fd = socket_accept(listening->fd, &peer);
    if (fd >= 0)
        close(fd);
    spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    atomic_fetch_add(&listening->gateway->counters.clients_refused, 1);
}

/* One at a time: the loop comes back while there are more, and to ask in vain costs as much as to accept. */
static void acceptable(struct ev_loop *loop, ev_io *acceptor, int events)
{
    struct listening *listening = acceptor->data;
    struct gateway *gateway = listening->gateway;
    struct address peer;
    int fd = socket_accept(listening->fd, &peer);

    (void)loop;
    (void)events;
    if (fd >= 0) {
        atomic_fetch_add(&gateway->counters.clients_accepted, 1);
        worker_send_client(least_loaded(gateway), fd, &peer, gateway->generation, listening->listener);
    } else if (errno == EMFILE || errno == ENFILE) {
        refuse_one(listening);
    }
}

static bool parse(const char *text, struct address *address, struct fault *fault)
{
    char host[256];
    int port;

    if (*text == '/')
        return address_local(text, address, fault);
    if (!address_split(text, host, sizeof host, &port, fault))
        return false;
    if (strcmp(host, "*") == 0)
        strcpy(host, "0.0.0.0");
    if (strcmp(host, "localhost") == 0)
        strcpy(host, "127.0.0.1");
    if (!address_numeric(host, port, address))
        return fault_set(fault, "F0000", "expected a numeric address to listen on, found \"%s\"", text);
    return true;
}

static bool listen_on(struct gateway *gateway, size_t listener, size_t place, struct fault *fault)
{
    const struct listener_options *options = &gateway->generation->snapshot->listeners[listener];
    const char *name = options->name, *text = options->listen.items[place];
    struct listening *listening = calloc(1, sizeof *listening);
    char where[ADDRESS_TEXT_BYTES];

    CHECK(listening != NULL);
    if (!parse(text, &listening->address, fault) ||
        ((listening->fd = inherit_take(name, text, &listening->address, &listening->foreign)) < 0 &&
         (listening->fd = socket_listen(&listening->address, BACKLOG, fault)) < 0)) {
        free(listening);
        return false;
    }
    listening->place = place;
    listening->gateway = gateway;
    listening->listener = listener;
    listening->address.length = sizeof listening->address.storage;
    getsockname(listening->fd, &listening->address.any, &listening->address.length);
    address_print(&listening->address, where, sizeof where);
    log_info("main", "listener=%s address=%s", name, where);
    ev_io_init(&listening->acceptor, acceptable, listening->fd, EV_READ);
    listening->acceptor.data = listening;
    ev_io_start(gateway->loop, &listening->acceptor);
    list_append(&all, &listening->link);
    return true;
}

bool listeners_open(struct gateway *gateway, struct fault *fault)
{
    const struct snapshot *snapshot = gateway->generation->snapshot;

    spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    for (size_t i = 0; i < snapshot->listener_count; i++)
        for (size_t a = 0; a < snapshot->listeners[i].listen.count; a++)
            if (!listen_on(gateway, i, a, fault))
                return false;
    return true;
}

void listeners_retune(void)
{
    list_each(link, following, &all) {
        struct listening *listening = list_entry(link, struct listening, link);

        socket_retune(listening->fd, &listening->address);
    }
}

void listeners_each(void (*see)(void *owner, const struct inherited *socket), void *owner)
{
    list_each(link, following, &all) {
        const struct listening *listening = list_entry(link, struct listening, link);
        const struct listener_options *options =
            &listening->gateway->generation->snapshot->listeners[listening->listener];
        const struct inherited socket = {listening->fd, options->name,
                                         options->listen.items[listening->place], listening->foreign};

        see(owner, &socket);
    }
}

void listeners_pause(void)
{
    list_each(link, following, &all) {
        struct listening *listening = list_entry(link, struct listening, link);

        ev_io_stop(listening->gateway->loop, &listening->acceptor);
    }
}

void listeners_resume(void)
{
    list_each(link, following, &all) {
        struct listening *listening = list_entry(link, struct listening, link);

        ev_io_start(listening->gateway->loop, &listening->acceptor);
    }
}

static void listening_close(struct listening *listening, bool keep_file)
{
    list_remove(&listening->link);
    ev_io_stop(listening->gateway->loop, &listening->acceptor);
    close(listening->fd);
    if (listening->address.any.sa_family == AF_UNIX && !keep_file && !listening->foreign)
        unlink(listening->address.local.sun_path);
    free(listening);
}

void listeners_drop(size_t index)
{
    list_each(link, following, &all)
        if (index-- == 0)
            listening_close(list_entry(link, struct listening, link), false);
}

void listeners_close(bool keep_files)
{
    while (!list_empty(&all))
        listening_close(list_entry(all.next, struct listening, link), keep_files);
    if (spare >= 0)
        close(spare);
    spare = -1;
}
