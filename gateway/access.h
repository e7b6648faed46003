/* SPDX-License-Identifier: PostgreSQL
 * access - what a configuration's files hold about who may come in and how connections are encrypted: users,
 * certificates. Loaded whole or not at all, immutable then, any thread. */
#pragma once

#include <stdbool.h>

#include "conf/snapshot.h"

struct fault;
struct hba;
struct ident;
struct passfile;
struct problems;
struct tls_context;
struct upstreams;
struct users;

struct access {
    struct users *users;            /* NULL without an auth_file */
    struct hba *hba;                /* NULL unless auth_type is hba */
    struct ident *ident;            /* NULL without an auth_ident_file */
    struct passfile *passfile;      /* NULL without one */
    struct tls_context *client_tls; /* has no certificate when none is configured */
    struct tls_context *server_tls;
};

/* Reads every file that the snapshot names; false with a fault that says which one and why, and all
 * problems of rules with file and line in `problems` (NULL: in the log). Blocks on the disk. Warnings go to
 * the log. */
bool access_load(struct access *access, const struct snapshot *snapshot, struct problems *problems,
                 struct fault *fault);
void access_free(struct access *access);

/* New connections to PostgreSQL are encrypted as the snapshot says. */
void access_apply(const struct access *access, const struct snapshot *snapshot,
                  const struct upstreams *upstreams);
