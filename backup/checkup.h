/* SPDX-License-Identifier: PostgreSQL
 * checkup - everything that a run needs, tried beforehand: repositories, gateway, programs. */
#pragma once

#include <stdbool.h>

struct fault;
struct runner_options;

/* Prints one line per thing that was tried, on standard output. False, with the first fault, when any is
 * not well. */
bool checkup_run(const struct runner_options *options, struct fault *fault);
