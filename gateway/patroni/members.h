/* SPDX-License-Identifier: PostgreSQL
 * members - Patroni's answer to GET /cluster: who is in the cluster, and who leads. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "router/roles.h"

struct fault;
struct host;

enum { MEMBERS_MAX = 64 };

struct member {
    char host[256]; /* as Patroni's connect_address names it */
    int port;
    bool leads;
};

struct members {
    struct member items[MEMBERS_MAX];
    size_t count;
};

/* Reads the JSON text. False with a fault when it is not such an answer; members is as before then. */
bool members_read(struct members *members, const char *text, size_t length, struct fault *fault);

/* What it says of a host: known by the name in the configuration, or by one of its addresses. */
enum patroni_word members_say(const struct members *members, const struct host *host);
