/* SPDX-License-Identifier: PostgreSQL
 * successor - SIGUSR2: this process starts its own successor. Main thread. */
#pragma once

#include <stdbool.h>

struct fault;

/* Remembers the program's path and arguments, before anything changes them. */
void successor_prepare(int argc, char **argv);

/* Runs the program that is at that path now, with the same arguments and --takeover. */
bool successor_start(struct fault *fault);

/* Logs its end, when it ended; to be called now and then. */
void successor_look(void);
