/* SPDX-License-Identifier: PostgreSQL
 * inherit - listening sockets that this process did not open. */
#include "gateway/takeover/inherit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "gateway/base/check.h"
#include "gateway/base/list.h"
#include "gateway/base/log.h"

struct waiting {
    struct list link;
    struct inherited socket; /* its texts are owned */
    struct address address;
    size_t index;
};

static struct list all = {&all, &all}; /* [main] */
static size_t next_index;              /* [main] */

void inherit_add(const struct inherited *socket)
{
    struct waiting *waiting = calloc(1, sizeof *waiting);
    int flags = fcntl(socket->fd, F_GETFL);

    CHECK(waiting != NULL);
    waiting->socket = (struct inherited){socket->fd, strdup(socket->name), strdup(socket->text),
                                         socket->foreign};
    CHECK(waiting->socket.name != NULL && waiting->socket.text != NULL);
    waiting->address.length = sizeof waiting->address.storage;
    if (getsockname(socket->fd, &waiting->address.any, &waiting->address.length) != 0)
        waiting->address.length = 0;
    (void)fcntl(socket->fd, F_SETFL, flags | O_NONBLOCK);
    (void)fcntl(socket->fd, F_SETFD, FD_CLOEXEC);
    waiting->index = next_index++;
    list_append(&all, &waiting->link);
}

void inherit_from_supervisor(void)
{
    char **names = NULL;
    int count = sd_listen_fds_with_names(1, &names);

    for (int i = 0; i < count; i++) {
        const struct inherited socket = {SD_LISTEN_FDS_START + i, names == NULL ? "" : names[i], "", true};

        inherit_add(&socket);
    }
    for (int i = 0; names != NULL && names[i] != NULL; i++)
        free(names[i]);
    free(names);
}

static bool is_same_place(const struct waiting *waiting, const struct address *address)
{
    char here[ADDRESS_TEXT_BYTES], there[ADDRESS_TEXT_BYTES];

    if (waiting->address.length == 0 || waiting->address.any.sa_family != address->any.sa_family)
        return false;
    address_print(&waiting->address, here, sizeof here);
    address_print(address, there, sizeof there);
    return strcmp(here, there) == 0;
}

static void waiting_free(struct waiting *waiting)
{
    list_remove(&waiting->link);
    free((void *)(uintptr_t)waiting->socket.name);
    free((void *)(uintptr_t)waiting->socket.text);
    free(waiting);
}

int inherit_take(const char *name, const char *text, const struct address *address, bool *foreign)
{
    list_each(link, following, &all) {
        struct waiting *waiting = list_entry(link, struct waiting, link);
        bool named = strcmp(waiting->socket.name, name) == 0 && strcmp(waiting->socket.text, text) == 0;
        int fd = waiting->socket.fd;

        if (!named && !is_same_place(waiting, address))
            continue;
        *foreign = waiting->socket.foreign;
        waiting_free(waiting);
        return fd;
    }
    return -1;
}

void inherit_close(void (*see)(void *owner, size_t index), void *owner)
{
    while (!list_empty(&all)) {
        struct waiting *waiting = list_entry(all.next, struct waiting, link);
        char text[ADDRESS_TEXT_BYTES];

        address_print(&waiting->address, text, sizeof text);
        log_warn("main", "no listener of the configuration listens on %s, which is closed", text);
        close(waiting->socket.fd);
        if (waiting->address.any.sa_family == AF_UNIX && !waiting->socket.foreign)
            unlink(waiting->address.local.sun_path);
        if (see != NULL)
            see(owner, waiting->index);
        waiting_free(waiting);
    }
}
