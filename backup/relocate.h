/* SPDX-License-Identifier: PostgreSQL
 * relocate - a physical backup into a fresh data directory, ready to be started. */
#pragma once

#include <stdbool.h>

struct fault;
struct subject;

/* Unpacks, checks and syncs it. The directory is made with mode 0700, or must be empty; when the runner is
 * root it belongs to the user run_as afterwards. On failure what was unpacked is removed again. */
bool relocate_run(const struct subject *subject, const char *directory, struct fault *fault);
