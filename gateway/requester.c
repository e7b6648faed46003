/* SPDX-License-Identifier: PostgreSQL
 * requester - who asked for a cancel and hears of its end by the end of its connection: a duplicate of its
 * socket stays open, and TLS's goodbye is said with it. */
#include "gateway/requester.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/net/stream.h"
#include "gateway/net/stream_secure.h"

struct requester {
    int fd;
    size_t goodbye_bytes;
    unsigned char goodbye[128];
};

struct requester *requester_keep(struct stream *stream)
{
    struct requester *requester = malloc(sizeof *requester);

    if (requester == NULL)
        return NULL;
    requester->fd = fcntl(stream->fd, F_DUPFD_CLOEXEC, 3);
    if (requester->fd < 0) {
        free(requester);
        return NULL;
    }
    requester->goodbye_bytes = stream_take_goodbye(stream, requester->goodbye, sizeof requester->goodbye);
    return requester;
}

void requester_done(void *owner)
{
    struct requester *requester = owner;

    if (requester == NULL)
        return;
    (void)send(requester->fd, requester->goodbye, requester->goodbye_bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    close(requester->fd);
    free(requester);
}

struct requester *requester_adopt(int fd, const void *goodbye, size_t bytes)
{
    struct requester *requester = malloc(sizeof *requester);

    if (requester == NULL || bytes > sizeof requester->goodbye) {
        close(fd);
        free(requester);
        return NULL;
    }
    requester->fd = fd;
    requester->goodbye_bytes = bytes;
    memcpy(requester->goodbye, goodbye, bytes);
    return requester;
}

int requester_fd(const struct requester *requester)
{
    return requester->fd;
}

size_t requester_goodbye(const struct requester *requester, const void **bytes)
{
    *bytes = requester->goodbye;
    return requester->goodbye_bytes;
}

void requester_forget(struct requester *requester)
{
    close(requester->fd);
    free(requester);
}
