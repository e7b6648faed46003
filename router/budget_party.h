/* SPDX-License-Identifier: PostgreSQL
 * budget_party - routes, databases and users in the ledger: how many connections each has and may have. */
#pragma once

#include <stdint.h>

#include "gateway/base/list.h"

/* Besides the shares, connections are counted by these. */
enum party_kind { PARTY_ROUTE, PARTY_DATABASE, PARTY_USER, PARTIES };

enum { PARTY_NAME_BYTES = 64 };

/* A route, database or user with claims or slots. */
struct party {
    struct list link;          /* [l] */
    enum party_kind kind;
    char name[PARTY_NAME_BYTES]; /* longer ones, which PostgreSQL cuts too, are cut */
    int references, used;      /* [l] */
    int configured;            /* [l] the limit of the last claim, 0 = none */
    int foreign;               /* [l] connections of others */
    uint64_t waits;            /* [l] claims that it held up */
    int granted;               /* [l] PostgreSQL's CONNECTION LIMIT, BUDGET_UNLIMITED: none */
    int ceiling;               /* [l] lower since PostgreSQL refused one more */
};
