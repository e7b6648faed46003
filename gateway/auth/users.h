/* SPDX-License-Identifier: PostgreSQL
 * users - the users file: one line `"name" "secret"` for each user, as PgBouncer's userlist.txt has it.
 * A quote within quotes is doubled; lines that begin with ; or # are comments. A secret is a password, a
 * SCRAM-SHA-256 verifier as in pg_authid.rolpassword, or empty: such a user cannot log in by secret. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "gateway/wire/scram.h"

struct fault;
struct users;
struct user_key;

enum { USERS_FILE_MAX_BYTES = 16 << 20, USERS_NAME_MAX_BYTES = 63, USERS_SECRET_MAX_BYTES = 1024 };

/* One line; it never changes, any thread may read it. */
struct user {
    const char *name;
    const char *password; /* NULL when the secret is a verifier or empty */
    struct user_key *key; /* internal, see user_verifier; NULL when the secret is empty */
};

/* Reads and checks the whole file. NULL with a fault that names file and line when anything is wrong, nothing
 * is half loaded: F0000 for the content, 58P01 when it cannot be read, 54000 too large, 53200. Blocks on the
 * disk, derives no keys. The caller frees it with users_free. warning becomes a sentence for the log when
 * others than owner and group may read the file, or anybody but the owner may write it, else "". */
struct users *users_load(const char *path, char *warning, size_t warning_room, struct fault *fault);

/* The same from memory; `where` names it in faults. */
struct users *users_parse(const char *text, size_t length, const char *where, struct fault *fault);

/* Wipes and frees everything. NULL is nothing to do. */
void users_free(struct users *users);

size_t users_count(const struct users *users);

/* The user of exactly this name, or NULL. Owned by users. */
struct user *users_find(const struct users *users, const char *name);

/* Copies what a password is checked against; any thread. A password's verifier is derived at its first use
 * (4096 iterations, about 2 ms), so that neither loading ten thousand users nor any one login holds a loop
 * up; threads that meet there each derive one, once. False when the user has no secret, or the cryptographic
 * library fails: go on with scram_verifier_mock then. */
bool user_verifier(const struct user *user, struct scram_verifier *out);
