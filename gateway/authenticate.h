/* SPDX-License-Identifier: PostgreSQL
 * authenticate - how a client proves who it is: one driver for each auth_type, rows of auth.def. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "conf/types.h"

struct client;

/* A driver says login_authenticated or client_close/client_refuse in the end. */
struct auth_driver {
    void (*start)(struct client *client);
    /* The body of a 'p' message. */
    void (*answer)(struct client *client, const unsigned char *body, size_t size);
    /* The login is given up, or over: frees the driver's state. */
    void (*end)(struct client *client);
};

const struct auth_driver *auth_driver(enum auth_type type);
