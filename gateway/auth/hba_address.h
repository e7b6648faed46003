/* SPDX-License-Identifier: PostgreSQL
 * hba_address - the ADDRESS column of pg_hba.conf: which client addresses a rule is for.
 * Host names are refused: a name would have to be looked up at every login, which blocks, and whoever runs
 * the address's reverse zone would have a say in the answer. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct arena;
struct hba_token;
struct sockaddr;

struct hba_network {
    struct hba_network *next;
    int family;                          /* AF_INET or AF_INET6 */
    unsigned char address[16], mask[16]; /* in network order; AF_INET has 4 bytes */
};

/* Zeroed: no client at all. */
struct hba_addresses {
    bool all;
    bool wants_mask; /* an address came without bits: the next column is for hba_address_mask */
    struct hba_network *networks;
};

/* This machine's addresses, with their own networks or each for itself, as they were at the first need; all
 * zero before. Its lists live in the arena. */
struct hba_interfaces {
    struct hba_network *hosts, *networks;
};

/* Reads `all`, `samehost` or `samenet` (unless quoted; the last two by interfaces), ADDRESS/BITS, or ADDRESS.
 * False: why says what is wrong, as a whole sentence. */
bool hba_address_parse(struct hba_addresses *addresses, struct hba_interfaces *interfaces,
                       struct arena *arena, const struct hba_token *token, char *why, size_t room);
bool hba_address_mask(struct hba_addresses *addresses, const char *text, char *why, size_t room);

/* An IPv4 address inside IPv6, as a listener for both has it, is IPv4. NULL and AF_UNIX never match. */
bool hba_address_match(const struct hba_addresses *addresses, const struct sockaddr *address);
