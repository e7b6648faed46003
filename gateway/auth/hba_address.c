/* SPDX-License-Identifier: PostgreSQL
 * hba_address - the ADDRESS column of pg_hba.conf: which client addresses a rule is for. */
#include "gateway/auth/hba_address.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "gateway/auth/hba_tokens.h"
#include "gateway/base/arena.h"

enum { WORDS_SHOWN = 60, INTERFACES_MAX = 1000, NUMERIC_MAX_BYTES = 63 };

static size_t family_bytes(int family)
{
    return family == AF_INET ? 4 : 16;
}

/* The address's bytes; AF_UNSPEC when it is neither of the two families. */
static int bytes_of(const struct sockaddr *address, unsigned char bytes[16])
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;

    if (address != NULL && address->sa_family == AF_INET) {
        memcpy(&v4, address, sizeof v4);
        memcpy(bytes, &v4.sin_addr, 4);
        return AF_INET;
    }
    if (address == NULL || address->sa_family != AF_INET6)
        return AF_UNSPEC;
    memcpy(&v6, address, sizeof v6);
    memcpy(bytes, &v6.sin6_addr, 16);
    return AF_INET6;
}

static int client_bytes(const struct sockaddr *address, unsigned char bytes[16])
{
    static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
    int family = bytes_of(address, bytes);

    if (family != AF_INET6 || memcmp(bytes, mapped, sizeof mapped) != 0)
        return family;
    memmove(bytes, bytes + 12, 4);
    return AF_INET;
}

/* Never asks a name server. The C library decides, as in PostgreSQL, what is an address: 127.1 is one. */
static int numeric_parse(const char *text, unsigned char bytes[16])
{
    struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM }, *found = NULL;
    int family = AF_UNSPEC;

    if (*text != '\0' && strlen(text) <= NUMERIC_MAX_BYTES && getaddrinfo(text, NULL, &hints, &found) == 0) {
        family = bytes_of(found->ai_addr, bytes);
        freeaddrinfo(found);
    }
    return family;
}

static struct hba_network *network_add(struct hba_network **list, struct arena *arena)
{
    struct hba_network *network = arena_alloc(arena, sizeof *network);

    network->next = *list;
    *list = network;
    return network;
}

/* An interface without a mask, or with an empty one, stands for its own address. */
static void interface_add(struct hba_network **list, struct arena *arena, const struct ifaddrs *interface,
                          bool whole_net)
{
    static const unsigned char none[16];
    unsigned char bytes[16];
    int family = bytes_of(interface->ifa_addr, bytes);
    struct hba_network *network;

    if (family == AF_UNSPEC)
        return;
    network = network_add(list, arena);
    network->family = family;
    memcpy(network->address, bytes, family_bytes(family));
    if (!whole_net || bytes_of(interface->ifa_netmask, network->mask) != family ||
        memcmp(network->mask, none, family_bytes(family)) == 0)
        memset(network->mask, 0xff, sizeof network->mask);
}

static bool interfaces_list(struct hba_network **list, struct arena *arena, bool whole_net, char *why,
                            size_t room)
{
    struct ifaddrs *interfaces;
    int left = INTERFACES_MAX;

    if (*list != NULL) /* an earlier rule asked */
        return true;
    if (getifaddrs(&interfaces) != 0) {
        snprintf(why, room, "this machine's addresses cannot be listed: %s", strerror(errno));
        return false;
    }
    for (const struct ifaddrs *one = interfaces; one != NULL && left > 0; one = one->ifa_next, left--)
        interface_add(list, arena, one, whole_net);
    freeifaddrs(interfaces);
    return true;
}

static bool bits_parse(const char *text, struct hba_network *network)
{
    size_t digits = strspn(text, "0123456789"), bytes = family_bytes(network->family);
    unsigned long bits = strtoul(text, NULL, 10);

    if (digits == 0 || digits > 4 || text[digits] != '\0' || bits > bytes * 8)
        return false;
    for (size_t i = 0; i < bytes; i++) {
        size_t here = bits < i * 8 ? 0 : bits - i * 8;

        network->mask[i] = (unsigned char)(here >= 8 ? 0xff : 0xff00 >> here);
    }
    return true;
}

static bool network_parse(struct hba_addresses *addresses, struct arena *arena, const char *text, char *why,
                          size_t room)
{
    size_t length = strcspn(text, "/");
    char *address = arena_copy(arena, text, length);
    unsigned char bytes[16] = { 0 };
    int family = numeric_parse(address, bytes);
    struct hba_network *network;

    if (family == AF_UNSPEC) {
        snprintf(why, room, "expected an address such as 10.0.0.0/8 or fd00::/8, all, samehost or samenet, "
                 "found \"%.*s\"; names of hosts are not looked up, write their addresses", WORDS_SHOWN,
                 text);
        return false;
    }
    network = network_add(&addresses->networks, arena);
    network->family = family;
    memcpy(network->address, bytes, sizeof bytes);
    addresses->wants_mask = text[length] == '\0';
    if (addresses->wants_mask || bits_parse(text + length + 1, network))
        return true;
    snprintf(why, room, "expected a number from 0 to %zu behind the slash, found \"%.*s\"",
             family_bytes(family) * 8, WORDS_SHOWN, text);
    return false;
}

bool hba_address_parse(struct hba_addresses *addresses, struct hba_interfaces *interfaces,
                       struct arena *arena, const struct hba_token *token, char *why, size_t room)
{
    bool host = !token->quoted && strcmp(token->text, "samehost") == 0;
    bool net = !token->quoted && strcmp(token->text, "samenet") == 0;
    struct hba_network **list = net ? &interfaces->networks : &interfaces->hosts;

    *addresses = (struct hba_addresses){ .all = !token->quoted && strcmp(token->text, "all") == 0 };
    if (addresses->all)
        return true;
    if (!host && !net)
        return network_parse(addresses, arena, token->text, why, room);
    if (!interfaces_list(list, arena, net, why, room))
        return false;
    addresses->networks = *list;
    return true;
}

bool hba_address_mask(struct hba_addresses *addresses, const char *text, char *why, size_t room)
{
    struct hba_network *network = addresses->networks;

    if (numeric_parse(text, network->mask) == network->family) {
        addresses->wants_mask = false;
        return true;
    }
    snprintf(why, room, "expected the address's mask, such as %s, found \"%.*s\"; or write ADDRESS/BITS",
             network->family == AF_INET ? "255.255.255.0" : "ffff:ffff::", WORDS_SHOWN, text);
    return false;
}

bool hba_address_match(const struct hba_addresses *addresses, const struct sockaddr *address)
{
    unsigned char bytes[16], differ;
    int family = client_bytes(address, bytes);

    if (family == AF_UNSPEC || addresses->all)
        return family != AF_UNSPEC;
    for (const struct hba_network *net = addresses->networks; net != NULL; net = net->next) {
        differ = net->family == family ? 0 : 1;
        for (size_t i = 0; i < family_bytes(family) && differ == 0; i++)
            differ = (unsigned char)((bytes[i] ^ net->address[i]) & net->mask[i]);
        if (differ == 0)
            return true;
    }
    return false;
}
