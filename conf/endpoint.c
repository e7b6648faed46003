/* SPDX-License-Identifier: PostgreSQL
 * endpoint - the spelling of addresses in the configuration: where to listen, where PostgreSQL is. */
#include "conf/endpoint.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "gateway/base/arena.h"

enum { HOST_MAX_BYTES = 253, SOCKET_PATH_MAX = sizeof ((struct sockaddr_un *)0)->sun_path - 1 };

/* least is 0 where the kernel may choose a port. */
static bool port_valid(const char *text, int least)
{
    return *text != '\0' && strlen(text) <= 5 && strspn(text, "0123456789") == strlen(text) &&
           atoi(text) >= least && atoi(text) <= 65535;
}

/* Splits "NAME:PORT", "[NAME]:PORT" or "NAME"; port is NULL when none was given. False when the brackets or
 * colons do not add up, or when name does not fit. */
static bool endpoint_split(const char *text, char *name, size_t room, const char **port, bool *bracketed)
{
    const char *end = *text == '[' ? strchr(text, ']') : strrchr(text, ':');
    size_t length;

    *bracketed = *text == '[';
    text += *bracketed;
    if (*bracketed && (end == NULL || (end[1] != '\0' && end[1] != ':')))
        return false;
    length = end == NULL ? strlen(text) : (size_t)(end - text);
    end = end == NULL || *end == ':' ? end : (end[1] == ':' ? end + 1 : NULL);
    *port = end == NULL ? NULL : end + 1;
    if (length == 0 || length >= room || (!*bracketed && memchr(text, ':', length) != NULL))
        return false;
    memcpy(name, text, length);
    name[length] = '\0';
    return true;
}

static bool is_address(const char *name, bool bracketed)
{
    unsigned char bytes[16];

    return inet_pton(bracketed ? AF_INET6 : AF_INET, name, bytes) == 1;
}

bool endpoint_listens(const char *text, char *why, size_t room)
{
    char name[HOST_MAX_BYTES + 1];
    const char *port;
    bool bracketed;

    if (*text == '/' && strlen(text) <= SOCKET_PATH_MAX)
        return true;
    if (*text == '/')
        snprintf(why, room, "expected a socket path of at most %d bytes", (int)SOCKET_PATH_MAX);
    else if (!endpoint_split(text, name, sizeof name, &port, &bracketed) || !is_address(name, bracketed))
        snprintf(why, room,
                 "expected a numeric address and a port, such as \"127.0.0.1:6432\", \"0.0.0.0:6432\" (all "
                 "addresses) or \"[::1]:6432\", or the absolute path of a socket");
    else if (port == NULL || !port_valid(port, 0))
        snprintf(why, room, "expected a port from 1 to 65535 after the address, or 0 for any free one");
    else
        return true;
    return false;
}

static bool name_valid(const char *name, bool bracketed)
{
    if (bracketed)
        return is_address(name, true);
    for (; *name != '\0'; name++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_", *name))
            return false;
    return true;
}

/* A directory may hold colons itself: only digits after the last one are a port. */
static const char *socket_directory(const char *text, struct arena *arena, char *why, size_t room)
{
    const char *colon = strrchr(text, ':');
    bool has_port = colon != NULL && port_valid(colon + 1, 1);

    if (strlen(text) <= SOCKET_PATH_MAX - strlen("/.s.PGSQL.65535"))
        return has_port ? text : arena_format(arena, "%s:5432", text);
    snprintf(why, room, "expected a socket directory whose path is short enough for a Unix socket address");
    return NULL;
}

const char *endpoint_host(const char *text, struct arena *arena, char *why, size_t room)
{
    char name[HOST_MAX_BYTES + 1];
    const char *port;
    bool bracketed;

    if (*text == '/')
        return socket_directory(text, arena, why, room);
    if (!endpoint_split(text, name, sizeof name, &port, &bracketed) || !name_valid(name, bracketed)) {
        snprintf(why, room,
                 "expected a host and a port, such as \"db1:5432\", \"127.0.0.1:5432\" or \"[::1]:5432\", "
                 "or a socket directory such as \"/var/run/postgresql\"");
        return NULL;
    }
    if (port != NULL && !port_valid(port, 1)) {
        snprintf(why, room, "expected a port from 1 to 65535 after the host");
        return NULL;
    }
    return arena_format(arena, bracketed ? "[%s]:%s" : "%s:%s", name, port == NULL ? "5432" : port);
}
