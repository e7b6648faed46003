/* SPDX-License-Identifier: PostgreSQL
 * address - "HOST:PORT", "[V6]:PORT" and Unix socket paths as socket addresses, and back as text. */
#include "gateway/net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/fault.h"

enum { DEFAULT_PORT = 5432 };

static bool port_parse(const char *text, int *port)
{
    size_t digits = strspn(text, "0123456789");

    if (digits == 0 || digits > 5 || text[digits] != '\0')
        return false;
    *port = atoi(text);
    return *port <= 65535;
}

/* Only a directory may have colons of its own outside brackets. */
static bool is_bare_v6(const char *start, const char *end)
{
    return *start != '/' && memchr(start, ':', (size_t)(end - start)) != NULL;
}

bool address_split(const char *text, char *host, size_t room, int *port, struct fault *fault)
{
    const char *start = text, *end, *colon;

    if (*text == '[') {
        start = text + 1;
        end = strchr(start, ']');
        colon = end != NULL && end[1] == ':' ? end + 1 : NULL;
        if (end == NULL || (end[1] != ':' && end[1] != '\0'))
            return fault_set(fault, "F0000", "expected \"[ADDRESS]:PORT\", found \"%s\"", text);
    } else {
        colon = strrchr(text, ':');
        end = colon != NULL ? colon : text + strlen(text);
        if (is_bare_v6(start, end))
            return fault_set(fault, "F0000", "expected an IPv6 address in brackets, found \"%s\"", text);
    }
    *port = DEFAULT_PORT;
    if (colon != NULL && !port_parse(colon + 1, port))
        return fault_set(fault, "F0000", "expected a port from 0 to 65535 behind the colon, found \"%s\"",
                         text);
    if (end == start)
        return fault_set(fault, "F0000", "expected an address before the port, found \"%s\"", text);
    if ((size_t)(end - start) >= room)
        return fault_set(fault, "F0000", "expected an address below %zu bytes, found \"%.40s...\"", room,
                         text);
    memcpy(host, start, (size_t)(end - start));
    host[end - start] = '\0';
    return true;
}

bool address_local(const char *path, struct address *address, struct fault *fault)
{
    memset(address, 0, sizeof *address);
    if (strlen(path) >= sizeof address->local.sun_path)
        return fault_set(fault, "F0000", "expected a socket path below %zu bytes, found \"%s\"",
                         sizeof address->local.sun_path, path);
    address->local.sun_family = AF_UNIX;
    memcpy(address->local.sun_path, path, strlen(path) + 1);
    address->length = (socklen_t)sizeof address->local;
    return true;
}

bool address_numeric(const char *host, int port, struct address *address)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)&address->storage;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address->storage;
    struct fault unused;
    char path[512];

    if (*host == '/') {
        if (snprintf(path, sizeof path, "%s/.s.PGSQL.%d", host, port) >= (int)sizeof path)
            return false;
        return address_local(path, address, &unused);
    }
    memset(address, 0, sizeof *address);
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        address->length = sizeof *v4;
        return true;
    }
    if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        address->length = sizeof *v6;
        return true;
    }
    return false;
}

void address_print(const struct address *address, char *text, size_t room)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address->storage;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address->storage;
    char host[INET6_ADDRSTRLEN] = "?";

    switch (address->any.sa_family) {
    case AF_INET:
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
        snprintf(text, room, "%s:%u", host, (unsigned)ntohs(v4->sin_port));
        return;
    case AF_INET6:
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
        snprintf(text, room, "[%s]:%u", host, (unsigned)ntohs(v6->sin6_port));
        return;
    default:
        snprintf(text, room, "%s",
                 address->length > sizeof(sa_family_t) && address->local.sun_path[0] != '\0'
                     ? address->local.sun_path
                     : "local");
    }
}

bool address_print_host(const struct address *address, char *text, size_t room)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address->storage;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address->storage;

    if (address->any.sa_family == AF_INET)
        return inet_ntop(AF_INET, &v4->sin_addr, text, (socklen_t)room) != NULL;
    return address->any.sa_family == AF_INET6 &&
           inet_ntop(AF_INET6, &v6->sin6_addr, text, (socklen_t)room) != NULL;
}
