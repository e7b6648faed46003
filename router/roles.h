/* SPDX-License-Identifier: PostgreSQL
 * roles - who of an upstream's hosts is the primary, decided from what each of them says of itself and what
 * Patroni says of all. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "router/target.h"

enum { UPSTREAM_HOSTS_MAX = 64 };

/* What somebody else than the host says of it. */
enum patroni_word {
    PATRONI_SILENT,
    PATRONI_LEADER,
    PATRONI_MEMBER,
    PATRONI_ABSENT /* it knows no such host */
};

/* What was heard of one host lately. */
struct host_report {
    bool heard;         /* it answered, or was found not to */
    bool reachable;     /* it lets sessions in */
    bool in_recovery;
    uint32_t timeline;  /* of one that is not in recovery; 0 = not known */
    uint64_t system;    /* system identifier; 0 = not known */
    enum patroni_word patroni;
};

/* The decision, and what the next one has to remember. All zero before the first; primary < count when
 * there is one, as `known` says. */
struct roles {
    enum host_role items[UPSTREAM_HOSTS_MAX];
    bool known;         /* there was a primary */
    size_t primary;     /* the last one */
    uint32_t timeline;  /* the highest of a primary */
    uint64_t system;
    bool contested;     /* more than one host takes writes */
};

/* Of several hosts that take writes the one with the highest timeline is the primary, and the last one
 * among equals; one with a lower timeline than a primary had before is stale even when it is alone. Patroni's
 * leader is the primary as soon as it takes writes, and nobody else is. */
void roles_judge(struct roles *roles, const struct host_report *reports, size_t count);
