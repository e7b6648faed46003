/* SPDX-License-Identifier: PostgreSQL
 * inherit - listening sockets that this process did not open: from systemd, or from the process that it takes
 * over. Main thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "gateway/net/address.h"

struct inherited {
    int fd;
    const char *name; /* of the listener; "" = not known */
    const char *text; /* its place in the configuration; "" = not known */
    bool foreign;     /* somebody else made it and removes its file */
};

/* Takes over the descriptor, copies the rest. */
void inherit_add(const struct inherited *socket);
/* What systemd passed to this process by LISTEN_FDS. */
void inherit_from_supervisor(void);

/* The socket for this place of this listener, by its name and text or by the address that it is bound to; the
 * caller's from here on. -1: there is none. */
int inherit_take(const char *name, const char *text, const struct address *address, bool *foreign);

/* Closes those that nobody took, removes their files where they are ours, and tells their places in the
 * order of inherit_add. */
void inherit_close(void (*see)(void *owner, size_t index), void *owner);
