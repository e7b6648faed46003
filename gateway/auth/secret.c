/* SPDX-License-Identifier: PostgreSQL
 * secret - what is stored about a user's password, and whether what a client sends fits it. */
#include "gateway/auth/secret.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "gateway/base/check.h"
#include "gateway/base/fault.h"
#include "gateway/wire/md5.h"

/* Whoever takes a key from ABSENT to WRITING writes the verifier; READY publishes it, for good. */
enum { KEY_ABSENT, KEY_WRITING, KEY_READY };

struct secret {
    enum secret_kind kind;          /* [s] */
    atomic_int references;          /* [a] */
    atomic_int key;                 /* [a] of the verifier */
    struct scram_verifier verifier; /* [s] once the key is KEY_READY */
    char text[];                    /* [s] the password or the MD5 hash, else empty */
};

static bool verifier_refuse(struct fault *fault)
{
    return fault_set(fault, "F0000", "the SCRAM-SHA-256 verifier is damaged: copy the whole of "
                     "pg_authid.rolpassword");
}

static bool text_take(struct secret *secret, const char *text, struct fault *fault)
{
    if (strncmp(text, "SCRAM-SHA-256$", 14) == 0) {
        secret->kind = SECRET_SCRAM;
        atomic_store(&secret->key, KEY_READY);
        return scram_verifier_parse(text, &secret->verifier) || verifier_refuse(fault);
    }
    strcpy(secret->text, text);
    secret->kind = *text == '\0' ? SECRET_NONE : md5_is_hash(text) ? SECRET_MD5 : SECRET_PASSWORD;
    for (char *c = secret->text; secret->kind == SECRET_MD5 && *c != '\0'; c++)
        *c = *c >= 'A' && *c <= 'F' ? (char)(*c | 0x20) : *c;
    return true;
}

struct secret *secret_new(const char *text, struct fault *fault)
{
    struct secret *secret;
    size_t length;

    if (text == NULL)
        text = "";
    length = strlen(text);
    if (length > SECRET_MAX_BYTES) {
        fault_set(fault, "F0000", "the secret is longer than %d bytes", SECRET_MAX_BYTES);
        return NULL;
    }
    secret = calloc(1, sizeof *secret + length + 1);
    if (secret == NULL) {
        fault_set(fault, "53200", "out of memory for a secret");
        return NULL;
    }
    atomic_store(&secret->references, 1);
    if (text_take(secret, text, fault))
        return secret;
    secret_release(secret);
    return NULL;
}

struct secret *secret_retain(struct secret *secret)
{
    int before = atomic_fetch_add(&secret->references, 1);

    CHECK(before > 0);
    return secret;
}

void secret_release(struct secret *secret)
{
    int before;

    if (secret == NULL)
        return;
    before = atomic_fetch_sub(&secret->references, 1);
    CHECK(before > 0);
    if (before > 1)
        return;
    explicit_bzero(secret->text, strlen(secret->text));
    explicit_bzero(secret, sizeof *secret);
    free(secret);
}

enum secret_kind secret_kind(const struct secret *secret)
{
    return secret == NULL ? SECRET_NONE : secret->kind;
}

const char *secret_password(const struct secret *secret)
{
    return secret_kind(secret) == SECRET_PASSWORD ? secret->text : NULL;
}

const char *secret_md5(const struct secret *secret)
{
    return secret_kind(secret) == SECRET_MD5 ? secret->text : NULL;
}

bool secret_verifier(struct secret *secret, const unsigned char *salt, struct scram_verifier *out)
{
    enum secret_kind kind = secret_kind(secret);
    int absent = KEY_ABSENT;

    if (kind != SECRET_PASSWORD && kind != SECRET_SCRAM)
        return false;
    if (atomic_load_explicit(&secret->key, memory_order_acquire) == KEY_READY) {
        *out = secret->verifier;
        return true;
    }
    if (salt == NULL ? !scram_verifier_make(secret->text, SCRAM_ITERATIONS_DEFAULT, out)
                     : !scram_verifier_derive(secret->text, SCRAM_ITERATIONS_DEFAULT, salt, out))
        return false;
    if (atomic_compare_exchange_strong(&secret->key, &absent, KEY_WRITING)) {
        secret->verifier = *out;
        atomic_store_explicit(&secret->key, KEY_READY, memory_order_release);
    }
    return true;
}

/* Of texts of any length: the time it takes tells the length of what the client sent at most. */
static bool texts_equal(const char *a, const char *b)
{
    unsigned char a_hash[SHA256_DIGEST_LENGTH], b_hash[SHA256_DIGEST_LENGTH];
    bool made = SHA256((const unsigned char *)a, strlen(a), a_hash) != NULL
                && SHA256((const unsigned char *)b, strlen(b), b_hash) != NULL;
    bool equal = made && CRYPTO_memcmp(a_hash, b_hash, sizeof a_hash) == 0;

    explicit_bzero(a_hash, sizeof a_hash);
    explicit_bzero(b_hash, sizeof b_hash);
    return equal;
}

/* Passwords and MD5 hashes fit without any derivation. */
static bool text_fits(const struct secret *secret, const char *user, const char *password)
{
    char hash[MD5_TEXT_ROOM];
    bool fits = false;

    if (secret_kind(secret) == SECRET_PASSWORD)
        return texts_equal(password, secret->text);
    if (secret_kind(secret) == SECRET_MD5)
        fits = md5_hash(password, user, hash) && texts_equal(hash, secret->text);
    explicit_bzero(hash, sizeof hash);
    return fits;
}

/* Derives in any case, so that it takes as long for every kind of secret and for none. */
static bool verifier_fits(const struct secret *secret, const char *password, unsigned char *client_key)
{
    /* As costly as PostgreSQL's usual verifier. */
    static const struct scram_verifier usual = { .iterations = SCRAM_ITERATIONS_DEFAULT, .salt_bytes = 16 };
    bool real = secret_kind(secret) == SECRET_SCRAM && secret->verifier.iterations <= SCRAM_ITERATIONS_MAX;
    bool matches;
    bool derived = scram_verifier_check(real ? &secret->verifier : &usual, password, client_key, &matches);

    return derived && matches && real;
}

static const char *mismatch(const struct secret *secret)
{
    if (secret == NULL)
        return "no such user";
    if (secret->kind == SECRET_NONE)
        return "the user has no password";
    if (secret->kind == SECRET_SCRAM && secret->verifier.iterations > SCRAM_ITERATIONS_MAX)
        return "the user's verifier has more iterations than are computed here";
    return "wrong password";
}

bool secret_check_password(const struct secret *secret, const char *user, const char *password,
                           struct secret_keys *keys, const char **truth)
{
    unsigned char client_key[SCRAM_KEY_BYTES];
    bool derived = verifier_fits(secret, password, client_key);
    bool fits = (text_fits(secret, user, password) || derived) && *password != '\0';

    *truth = fits ? NULL : *password == '\0' ? "an empty password" : mismatch(secret);
    if (keys != NULL)
        memset(keys, 0, sizeof *keys);
    if (keys != NULL && fits && derived) {
        memcpy(keys->client_key, client_key, sizeof keys->client_key);
        memcpy(keys->server_key, secret->verifier.server_key, sizeof keys->server_key);
    }
    explicit_bzero(client_key, sizeof client_key);
    return fits;
}

bool secret_check_md5(const struct secret *secret, const char *user, const void *salt, const char *response,
                      const char **truth)
{
    enum secret_kind kind = secret_kind(secret);
    char hash[MD5_TEXT_ROOM], expected[MD5_TEXT_ROOM];
    bool made = md5_hash(kind == SECRET_PASSWORD ? secret->text : "", user, hash)
                && md5_answer(kind == SECRET_MD5 ? secret->text : hash, salt, expected);
    bool known = kind == SECRET_PASSWORD || kind == SECRET_MD5;
    bool fits = made && texts_equal(response, expected) && known;

    *truth = fits    ? NULL
             : !made ? "the cryptographic library has no MD5"
             : kind == SECRET_SCRAM ? "the user has a SCRAM verifier, which does not answer an MD5 request"
                                    : mismatch(secret);
    explicit_bzero(hash, sizeof hash);
    explicit_bzero(expected, sizeof expected);
    return fits;
}
