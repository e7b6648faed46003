/* SPDX-License-Identifier: PostgreSQL
 * content - restores a whole backup into a scratch server and compares every table with its fingerprint. */
#pragma once

#include <stdbool.h>

struct fault;
struct manifest;
struct pipeline;
struct runner_options;
struct verify_report;
struct work;

struct subject {
    const struct runner_options *options;
    const struct manifest *manifest;
    const struct pipeline *pipeline;
    const char *path; /* the backup's directory */
    int dir_fd;       /* the same */
    struct work *work;
    const struct verify_report *report; /* may be NULL */
};

/* Restores everything into a scratch server; compares every table when asked to. Differences go to report;
 * the fault (FAILURE_CONTENT) tells the first. */
bool content_verify(const struct subject *subject, bool compare, struct fault *fault);

/* Reads every archive whole, decrypted and decompressed, as pg_restore does, without a server.
 * pg_restore --list would not do: it accepts archives whose data is damaged. */
bool content_parse(const struct subject *subject, struct fault *fault);
