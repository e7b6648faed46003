/* SPDX-License-Identifier: PostgreSQL
 * scram_parts - what both sides of a SCRAM exchange share: keys, signatures, the attributes of messages. */
#include "gateway/wire/scram_parts.h"

#include <limits.h>
#include <pthread.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "gateway/base/check.h"

/* Looking an algorithm up by its name costs OpenSSL more than using it, so that is done once: `hmac` is
 * copied for each use. Read only after `once`; NULL when the library failed. */
static EVP_MD *sha256;
static EVP_MAC_CTX *hmac;

static void algorithms_find(void)
{
    const unsigned char no_key[SCRAM_KEY_BYTES] = {0};
    char name[] = "SHA256";
    const OSSL_PARAM digest[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
                                 OSSL_PARAM_construct_end()};
    EVP_MAC *method = EVP_MAC_fetch(NULL, "HMAC", NULL);

    sha256 = EVP_MD_fetch(NULL, name, NULL);
    hmac = method == NULL ? NULL : EVP_MAC_CTX_new(method);
    EVP_MAC_free(method);
    if (hmac == NULL || EVP_MAC_init(hmac, no_key, sizeof no_key, digest) == 1)
        return;
    EVP_MAC_CTX_free(hmac);
    hmac = NULL;
}

static bool algorithms_found(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, algorithms_find);
    return sha256 != NULL && hmac != NULL;
}

bool scram_hmac(const unsigned char *key, const void *text, size_t length, unsigned char *out)
{
    EVP_MAC_CTX *context = algorithms_found() ? EVP_MAC_CTX_dup(hmac) : NULL;
    size_t made = 0;
    bool done = context != NULL && EVP_MAC_init(context, key, SCRAM_KEY_BYTES, NULL) == 1
                && EVP_MAC_update(context, text, length) == 1
                && EVP_MAC_final(context, out, &made, SCRAM_KEY_BYTES) == 1;

    EVP_MAC_CTX_free(context);
    return done && made == SCRAM_KEY_BYTES;
}

bool scram_stored_key(const unsigned char *client_key, unsigned char *stored_key)
{
    return algorithms_found() && EVP_Digest(client_key, SCRAM_KEY_BYTES, stored_key, NULL, sha256, NULL) == 1;
}

bool scram_keys(const char *password, const unsigned char *salt, size_t salt_bytes, int iterations,
                unsigned char *client_key, unsigned char *server_key)
{
    unsigned char salted[SCRAM_KEY_BYTES];
    size_t length = strlen(password);
    bool made;

    CHECK(length <= INT_MAX && salt_bytes <= SCRAM_SALT_MAX_BYTES && iterations > 0);
    made = PKCS5_PBKDF2_HMAC(password, (int)length, salt, (int)salt_bytes, iterations, EVP_sha256(),
                             sizeof salted, salted) == 1
           && scram_hmac(salted, "Client Key", 10, client_key)
           && scram_hmac(salted, "Server Key", 10, server_key);
    explicit_bzero(salted, sizeof salted);
    return made;
}

static void exchange_add(struct scram_exchange *e, const char *text, size_t length)
{
    CHECK(length < SCRAM_MESSAGE_MAX_BYTES);
    if (e->length > 0)
        e->text[e->length++] = ',';
    memcpy(e->text + e->length, text, length);
    e->length += length;
}

void scram_exchange_join(struct scram_exchange *e, const char *client_first_bare, const char *server_first,
                         const char *client_final, size_t client_final_bytes)
{
    e->length = 0;
    exchange_add(e, client_first_bare, strlen(client_first_bare));
    exchange_add(e, server_first, strlen(server_first));
    exchange_add(e, client_final, client_final_bytes);
}

void scram_xor(const unsigned char *a, const unsigned char *b, unsigned char *out)
{
    for (size_t i = 0; i < SCRAM_KEY_BYTES; i++)
        out[i] = a[i] ^ b[i];
}

bool scram_message_open(struct scram_message *m, const void *bytes, size_t length)
{
    if (length == 0 || length >= SCRAM_MESSAGE_MAX_BYTES || memchr(bytes, '\0', length) != NULL)
        return false;
    m->at = bytes;
    m->end = m->at + length;
    return true;
}

bool scram_attribute_any(struct scram_message *m, char *name, struct scram_text *value)
{
    const char *at = m->at, *comma;

    if (at == NULL || m->end - at < 2 || at[1] != '=' || ((at[0] | 0x20) < 'a' || (at[0] | 0x20) > 'z'))
        return false;
    *name = at[0];
    value->at = at + 2;
    comma = memchr(value->at, ',', (size_t)(m->end - value->at));
    value->length = (size_t)((comma == NULL ? m->end : comma) - value->at);
    m->at = comma == NULL ? NULL : comma + 1;
    return true;
}

bool scram_attribute(struct scram_message *m, char name, struct scram_text *value)
{
    char found;

    return scram_attribute_any(m, &found, value) && found == name;
}

bool scram_nonce_valid(const struct scram_text *nonce)
{
    for (size_t i = 0; i < nonce->length; i++) {
        if (nonce->at[i] < '!' || nonce->at[i] > '~')
            return false;
    }
    return nonce->length > 0;
}

bool scram_iterations_parse(const struct scram_text *text, int *iterations)
{
    long value = 0;

    if (text->length == 0 || text->length > 10)
        return false;
    for (size_t i = 0; i < text->length; i++) {
        if (text->at[i] < '0' || text->at[i] > '9')
            return false;
        value = value * 10 + (text->at[i] - '0');
    }
    *iterations = value <= INT_MAX ? (int)value : 0;
    return *iterations > 0;
}
