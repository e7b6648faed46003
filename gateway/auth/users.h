/* SPDX-License-Identifier: PostgreSQL
 * users - the users file: one line `"name" "secret"` for each user, as PgBouncer's userlist.txt has it.
 * A quote within quotes is doubled; lines that begin with ; or # are comments, and so is what follows the
 * secret. A secret is a password, an MD5 hash or SCRAM-SHA-256 verifier as in pg_authid.rolpassword, or
 * empty: such a user cannot log in by secret. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct fault;
struct secret;
struct users;

enum { USERS_NAME_MAX_BYTES = 63 };

/* One line; it never changes, any thread may read it. */
struct user {
    const char *name;
    struct secret *secret; /* gateway/auth/secret.h; retain it to keep it longer than the users */
};

/* Reads and checks the whole file. NULL with a fault that names file and line when anything is wrong,
 * nothing is half loaded: F0000 for the content, else as secret_file_read, which also writes warning.
 * Blocks on the disk, derives no keys. The caller frees it with users_free. */
struct users *users_load(const char *path, char *warning, size_t warning_room, struct fault *fault);

/* The same from memory; `where` names it in faults. */
struct users *users_parse(const char *text, size_t length, const char *where, struct fault *fault);

/* Wipes and frees everything. NULL is nothing to do. */
void users_free(struct users *users);

size_t users_count(const struct users *users);

/* The user of exactly this name, or NULL. Owned by users. */
struct user *users_find(const struct users *users, const char *name);
