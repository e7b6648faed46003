/* SPDX-License-Identifier: PostgreSQL
 * tour - a console command on its round: SHOW goes from worker to worker and gathers rows, a verb goes to
 * main; both come home as a letter with the answer. */
#pragma once

#include <stdbool.h>

struct client;
struct fault;
struct gateway;
struct show;

enum { CONSOLE_COMMAND_BYTES = 128, CONSOLE_COLUMNS_MAX = 24 };

/* A client's talk with the console. */
struct console {
    bool admin;             /* admin_users; otherwise only SHOW */
    bool touring;           /* a command is on its round: the next messages wait */
    bool extended;          /* it came by Execute */
    bool skip_to_sync;
    char command[CONSOLE_COMMAND_BYTES]; /* the last Parse */
};

/* Commands that main carries out. */
struct verb {
    const char *name;
    bool (*run)(struct gateway *gateway, struct fault *fault);
};

/* Starts the round, or answers at once. */
void tour_show(struct client *client, const struct show *show);
void tour_verb(struct client *client, const struct verb *verb);

/* RowDescription of a SHOW. */
void tour_describe(struct client *client, const struct show *show);

/* ERROR, and ReadyForQuery or the skipping to Sync, as the command came. */
void tour_fail(struct client *client, const struct fault *fault);
