/* SPDX-License-Identifier: PostgreSQL
 * pattern - one value of a route's match group: a glob, a regular expression or a network. */
#pragma once

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>

struct sockaddr;

enum pattern_kind { PATTERN_GLOB, PATTERN_REGEX, PATTERN_NETWORK, PATTERN_LOCAL };

struct pattern {
    enum pattern_kind kind;
    const char *text;          /* as the operator wrote it; borrowed */
    regex_t regex;             /* PATTERN_REGEX */
    int family;                /* PATTERN_NETWORK: AF_INET or AF_INET6 */
    unsigned char network[16]; /* in network order */
    unsigned bits;
};

/* Makes a glob (`*`, `?`) or, after `~`, a POSIX extended regular expression. text must outlive the pattern.
 * False: why says what is wrong with it, and nothing needs pattern_free. */
bool pattern_compile(struct pattern *pattern, const char *text, char *why, size_t room);

/* Makes an address, a network in CIDR notation, or "local". Errors as above. */
bool pattern_compile_address(struct pattern *pattern, const char *text, char *why, size_t room);
void pattern_free(struct pattern *pattern);

/* Linear in the text for what pattern_compile lets through; safe for texts from the network. */
bool pattern_matches(const struct pattern *pattern, const char *text);

/* NULL or AF_UNIX is local. An IPv4 address inside IPv6 counts as IPv4. */
bool pattern_matches_address(const struct pattern *pattern, const struct sockaddr *address);

bool glob_matches(const char *glob, const char *text);
