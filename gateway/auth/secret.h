/* SPDX-License-Identifier: PostgreSQL
 * secret - what is stored about a user's password, in auth_file or in pg_authid: nothing, the password, an
 * MD5 hash or a SCRAM-SHA-256 verifier; and whether what a client sends fits it.
 *
 * A secret never changes and any thread may use it; it is wiped with its last owner. The text of a hash or
 * a verifier is no password. Checks compare in constant time, and do the same work for a NULL secret: a
 * user that nobody knows. */
#pragma once

#include <stdbool.h>

#include "gateway/wire/scram.h"

struct fault;
struct secret;

enum { SECRET_MAX_BYTES = 2047 }; /* as long as PgBouncer's */

enum secret_kind { SECRET_NONE, SECRET_PASSWORD, SECRET_MD5, SECRET_SCRAM };

/* A secret of this text, which is copied; "" and NULL are SECRET_NONE. NULL with a fault when it begins
 * like a SCRAM verifier and is none, or is too long (F0000), or for 53200. The caller owns it until
 * secret_release. */
struct secret *secret_new(const char *text, struct fault *fault);
struct secret *secret_retain(struct secret *secret);
void secret_release(struct secret *secret); /* the last one wipes and frees; NULL is nothing to do */

/* SECRET_NONE for NULL. */
enum secret_kind secret_kind(const struct secret *secret);
/* The password of SECRET_PASSWORD, the hash of SECRET_MD5 ("md5" and 32 lower-case digits); else NULL.
 * Owned by the secret. */
const char *secret_password(const struct secret *secret);
const char *secret_md5(const struct secret *secret);

/* Copies what a SCRAM login is checked against. A password's verifier is derived at its first use (4096
 * iterations, about 2 ms), so that neither loading ten thousand users nor any one login holds a loop up;
 * threads that meet there each derive one, once. Its salt is the given one of SCRAM_SALT_BYTES, or random
 * (NULL): with scram_verifier_mock's, a password that is read anew for each login has no other salt each
 * time, by which the user could be told from one that nobody knows. False for the other kinds and NULL, or
 * when the cryptographic library fails: go on with scram_verifier_mock then. */
bool secret_verifier(struct secret *secret, const unsigned char *salt, struct scram_verifier *out);

/* What a client's login may open server connections with, besides its password. */
struct secret_keys {
    unsigned char client_key[SCRAM_KEY_BYTES], server_key[SCRAM_KEY_BYTES];
};

/* Whether this clear-text password is the user's. Costs one PBKDF2 (2 ms; 50 ms for SCRAM_ITERATIONS_MAX,
 * and verifiers above that are not checked) whatever the kind is and whether there is a secret. An empty
 * password never fits. keys are set when a SCRAM verifier fits, else zeroed; may be NULL. *truth says for
 * the log, never for the client, why it does not fit, else it is NULL. */
bool secret_check_password(const struct secret *secret, const char *user, const char *password,
                           struct secret_keys *keys, const char **truth);

/* Whether response is the answer to AuthenticationMD5Password with this salt (MD5_SALT_BYTES, never used
 * before). Only passwords and MD5 hashes can be asked for in this way. *truth as above. */
bool secret_check_md5(const struct secret *secret, const char *user, const void *salt, const char *response,
                      const char **truth);
