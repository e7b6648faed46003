/* SPDX-License-Identifier: PostgreSQL
 * command - one command of the console: which it is, and who may give it. */
#pragma once

#include <stddef.h>

#include "gateway/admin/held.h"

struct client;
struct show;

/* Folds white space, drops comments and the semicolon: "show  clients;" becomes "show clients". */
void command_tidy(const char *text, size_t length, char command[CONSOLE_COMMAND_BYTES]);

/* The SHOW that a tidy command is, or NULL. */
const struct show *command_show(const char *command);

/* Answers it, or starts its round. */
void command_run(struct client *client, const char *command);
