/* SPDX-License-Identifier: PostgreSQL
 * census - PostgreSQL's answer to the control question: facts about the server, who is connected to it, other
 * gateways among them, and the connection limits of roles and databases. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "router/budget_news.h"
#include "router/facts.h"

struct arena;
struct fault;

enum { CENSUS_ROWS_MAX = 50000, ANNOUNCEMENT_BYTES = 64 };

/* A gateway that announced itself by the application_name of its control connection. */
struct census_gateway {
    uint64_t id;
    uint32_t pid; /* of its control connection */
    int want, use;
};

/* Everything is in the arena. */
struct census {
    struct arena *arena;
    struct host_facts facts;
    struct budget_backend *backends;
    struct census_gateway *gateways;
    struct budget_limit *limits;
    size_t backend_count, gateway_count, limit_count, rows;
    size_t backend_room, gateway_room, limit_room;
};

/* The question; $1 is the application_name that its connection is to have from now on. Rows: fact name value;
 * backend pid kind database user; gateway pid application_name; role name limit; database name limit. */
const char *census_query(void);

/* NULL when out of memory. */
struct census *census_new(void);
void census_free(struct census *census);

/* Takes a row of five texts, NULLs as "". False with a fault when it makes no sense. */
bool census_row(struct census *census, const char *const texts[5], struct fault *fault);

/* "pgsluice control 0123456789abcdef want=N use=M"; what it wants of the slots and what it has. */
void announcement_print(char text[ANNOUNCEMENT_BYTES], uint64_t id, int want, int use);
/* False when it is none. */
bool announcement_read(const char *text, struct census_gateway *gateway);
