/* SPDX-License-Identifier: PostgreSQL
 * settings - what a new server should be set up like: settings that differ from their defaults, those of
 * roles and databases, and who may connect, as far as the role may read it. */
#pragma once

#include <stdbool.h>

struct arena;
struct fault;
struct logical;
struct stored;

/* Writes them as JSON through the pipeline into stored->path. */
bool settings_save(const struct logical *logical, struct stored *stored, struct arena *arena,
                   struct fault *fault);
