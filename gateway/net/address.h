/* SPDX-License-Identifier: PostgreSQL
 * address - "HOST:PORT", "[V6]:PORT" and Unix socket paths as socket addresses, and back as text. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

struct fault;

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_storage storage;
        struct sockaddr_un local;
    };
    socklen_t length;
};

enum { ADDRESS_TEXT_BYTES = 128 };

/* Splits "HOST:PORT" or "[V6]:PORT" (or "/directory:PORT") at the port. A missing port is 5432. */
bool address_split(const char *text, char *host, size_t room, int *port, struct fault *fault);

/* A numeric address, or a Unix socket: for a server, host is the directory and the path becomes
 * "HOST/.s.PGSQL.PORT" as PostgreSQL names it. False when host is a name that has to be looked up. */
bool address_numeric(const char *host, int port, struct address *address);

/* A Unix socket path as it is. */
bool address_local(const char *path, struct address *address, struct fault *fault);

/* "127.0.0.1:5432", "[::1]:5432", "/path" or "local"; always NUL-terminated. */
void address_print(const struct address *address, char *text, size_t room);

/* The address without the port; false for a Unix socket, which has none. */
bool address_print_host(const struct address *address, char *text, size_t room);
