/* SPDX-License-Identifier: PostgreSQL
 * leaks - sessions that keep a transaction open: who they are, for how long, and what they said last. For
 * SHOW LEAKS and the log; on the client's worker. */
#pragma once

#include <stdint.h>

#include "gateway/net/address.h"
#include "gateway/session/last_statement.h"

struct client;
struct rows;
struct worker;

enum { LEAKS_KEPT = 32, LEAK_NAME_BYTES = 64, LEAK_PINS_BYTES = 128 };

/* What is told of one session; a copy, which outlives it. */
struct leak {
    uint64_t client_id, server_id, transaction_us, quiet_us, ended_us; /* ended_us 0: it lives */
    uint32_t backend_pid;
    const char *state; /* or the setting that ended it */
    char user[LEAK_NAME_BYTES], database[LEAK_NAME_BYTES], application[LEAK_NAME_BYTES],
        route[LEAK_NAME_BYTES];
    char peer[ADDRESS_TEXT_BYTES], pins[LEAK_PINS_BYTES], statement[LAST_STATEMENT_BYTES + 1];
};

/* The last ones that a limit ended. */
struct leaks {
    unsigned ended;
    struct leak kept[LEAKS_KEPT];
};

/* The session has been in a transaction for longer than leak_report_after: one line in the log. */
void leaks_report(struct client *client, uint64_t now_us);

/* `setting` is about to end the session: one line in the log, and it stays to be seen. */
void leaks_end(struct client *client, const char *setting, uint64_t now_us);

/* SHOW LEAKS. */
void show_leaks(struct worker *worker, struct rows *rows);
