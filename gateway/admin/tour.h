/* SPDX-License-Identifier: PostgreSQL
 * tour - a console command on its round: SHOW goes from worker to worker and gathers rows, a verb goes to
 * main; both come home as a letter with the answer. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "gateway/admin/held.h"

struct client;
struct fault;
struct show;

/* A client's talk with the console. */
struct console {
    bool admin;             /* admin_users; otherwise only SHOW */
    bool touring;           /* a command is on its round: the next messages wait */
    bool extended;          /* the message at hand is of the extended protocol */
    bool skip_to_sync;
    char status;            /* of the transaction block: as in ReadyForQuery */
    struct held *portal;    /* whose command is run; NULL: it came by Query */
    uint32_t row_limit;     /* of its Execute; 0: none */
    struct helds statements, portals;
};

/* Starts the round, or answers at once. */
void tour_show(struct client *client, const struct show *show);

/* RowDescription of a SHOW; bit i of binary: column i in binary. */
void tour_describe(struct client *client, const struct show *show, uint32_t binary);

/* The next rows of the portal that was executed before. */
void tour_resume(struct client *client);

/* CommandComplete or ERROR, and ReadyForQuery or the skipping to Sync, as the command came. */
void tour_done(struct client *client, const char *tag);
void tour_fail(struct client *client, const struct fault *fault);
