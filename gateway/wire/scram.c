/* SPDX-License-Identifier: PostgreSQL
 * scram - the verifiers that a server keeps instead of passwords. */
#include "gateway/wire/scram.h"

#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>

#include "gateway/base/check.h"
#include "gateway/base/random.h"
#include "gateway/wire/base64.h"
#include "gateway/wire/scram_parts.h"

static const char prefix[] = "SCRAM-SHA-256$";

/* Cuts the text in front of `separator` (or its end, for NUL) off; NULL at stands for "was not there". */
static struct scram_text part_cut(const char **at, char separator)
{
    const char *end = *at == NULL ? NULL : strchr(*at, separator);
    struct scram_text part = { NULL, 0 };

    if (end != NULL) {
        part.at = *at;
        part.length = (size_t)(end - *at);
        *at = end + 1;
    } else {
        *at = NULL;
    }
    return part;
}

static bool key_decode(const struct scram_text *text, unsigned char *key)
{
    size_t bytes;

    return base64_decode(text->at, text->length, key, SCRAM_KEY_BYTES, &bytes) && bytes == SCRAM_KEY_BYTES;
}

bool scram_verifier_parse(const char *text, struct scram_verifier *out)
{
    struct scram_text iterations, salt, stored_key, server_key;

    memset(out, 0, sizeof *out);
    if (strncmp(text, prefix, sizeof prefix - 1) != 0)
        return false;
    text += sizeof prefix - 1;
    iterations = part_cut(&text, ':');
    salt = part_cut(&text, '$');
    stored_key = part_cut(&text, ':');
    server_key = part_cut(&text, '\0');
    return server_key.at != NULL && scram_iterations_parse(&iterations, &out->iterations)
           && base64_decode(salt.at, salt.length, out->salt, sizeof out->salt, &out->salt_bytes)
           && out->salt_bytes > 0 && key_decode(&stored_key, out->stored_key)
           && key_decode(&server_key, out->server_key);
}

void scram_verifier_format(const struct scram_verifier *verifier, char *out)
{
    char salt[BASE64_ROOM(SCRAM_SALT_MAX_BYTES)];
    char stored_key[BASE64_ROOM(SCRAM_KEY_BYTES)], server_key[BASE64_ROOM(SCRAM_KEY_BYTES)];

    base64_encode(verifier->salt, verifier->salt_bytes, salt, sizeof salt);
    base64_encode(verifier->stored_key, SCRAM_KEY_BYTES, stored_key, sizeof stored_key);
    base64_encode(verifier->server_key, SCRAM_KEY_BYTES, server_key, sizeof server_key);
    snprintf(out, SCRAM_VERIFIER_ROOM, "%s%d:%s$%s:%s", prefix, verifier->iterations, salt, stored_key,
             server_key);
}

bool scram_verifier_derive(const char *password, int iterations, const unsigned char salt[SCRAM_SALT_BYTES],
                           struct scram_verifier *out)
{
    unsigned char client_key[SCRAM_KEY_BYTES];
    bool made;

    CHECK(iterations >= 1 && iterations <= SCRAM_ITERATIONS_MAX);
    memset(out, 0, sizeof *out);
    out->iterations = iterations;
    out->salt_bytes = SCRAM_SALT_BYTES;
    memcpy(out->salt, salt, SCRAM_SALT_BYTES);
    made = scram_keys(password, out->salt, SCRAM_SALT_BYTES, iterations, client_key, out->server_key)
           && scram_stored_key(client_key, out->stored_key);
    explicit_bzero(client_key, sizeof client_key);
    return made;
}

bool scram_verifier_make(const char *password, int iterations, struct scram_verifier *out)
{
    unsigned char salt[SCRAM_SALT_BYTES];

    random_fill(salt, sizeof salt);
    return scram_verifier_derive(password, iterations, salt, out);
}

bool scram_verifier_check(const struct scram_verifier *verifier, const char *password,
                          unsigned char *client_key, bool *matches)
{
    unsigned char stored_key[SCRAM_KEY_BYTES], server_key[SCRAM_KEY_BYTES];
    bool made;

    CHECK(verifier->iterations <= SCRAM_ITERATIONS_MAX);
    made = scram_keys(password, verifier->salt, verifier->salt_bytes, verifier->iterations, client_key,
                      server_key)
           && scram_stored_key(client_key, stored_key);
    *matches = made && CRYPTO_memcmp(stored_key, verifier->stored_key, SCRAM_KEY_BYTES) == 0;
    if (!*matches)
        explicit_bzero(client_key, SCRAM_KEY_BYTES);
    explicit_bzero(server_key, sizeof server_key);
    return made;
}

/* The stored key is a hash whose preimage nobody knows: no proof can match it. */
void scram_verifier_mock(const char *user, const unsigned char secret[32], struct scram_verifier *out)
{
    unsigned char salt[SCRAM_KEY_BYTES];

    memset(out, 0, sizeof *out);
    out->iterations = SCRAM_ITERATIONS_DEFAULT;
    out->salt_bytes = SCRAM_SALT_BYTES;
    CHECK(scram_hmac(secret, user, strlen(user), salt));
    CHECK(scram_hmac(salt, "mock stored key", 15, out->stored_key));
    CHECK(scram_hmac(salt, "mock server key", 15, out->server_key));
    memcpy(out->salt, salt, SCRAM_SALT_BYTES);
    explicit_bzero(salt, sizeof salt);
}
