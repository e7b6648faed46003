/* SPDX-License-Identifier: PostgreSQL
 * stage - makes one whole backup in a LABEL.partial directory, and copies of it in other repositories. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct arena;
struct fault;
struct logical;
struct manifest;
struct pipeline;
struct repository;
struct tool;

struct stage {
    struct logical *logical; /* its directory is set here */
    const struct tool *dumpall;
    const struct pipeline *pipeline;
    struct manifest *manifest; /* label, job and server are filled already; the rest is filled here */
    const char *const *databases;
    size_t database_count;
    bool role_passwords;
    struct arena *arena;
};

/* Dumps everything into the repository and publishes it. On failure nothing is left there. */
bool stage_make(const struct stage *stage, const struct repository *repository, struct fault *fault);

/* Copies a published backup into another repository, checks the copy and publishes it. On failure nothing
 * is left. */
bool stage_copy(const struct stage *stage, const struct repository *from, const struct repository *to,
                struct fault *fault);
